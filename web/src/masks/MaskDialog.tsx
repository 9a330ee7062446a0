import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Heading } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../api/client";
import { keys, thumbnail } from "../api/queries";
import { Button, Notice, ProblemNotice, Progress } from "../ui";
import { useUploads } from "../uploads/context";
import { findObjects, maskFile, type MaskCanvas } from "./finder";
import { MaskEditor } from "./MaskEditor";
import styles from "./masks.module.css";
import { MaskView } from "./MaskView";
import { maskNameOf } from "./names";
import { removeMasks } from "./remove";

type Photo = Schemas["Photo"];

interface Found {
  photo: Photo;
  image: ImageBitmap;
  /** Null: the whole photograph is used. */
  mask: MaskCanvas | null;
}

interface MaskDialogProps {
  setId: string;
  photos: readonly Photo[];
  /** Those that there are, by the name of the photograph; they are replaced. */
  masks: ReadonlyMap<string, Photo>;
  close: () => void;
}

/** Leaves the background out of the photographs of a set: found by itself, corrected with a brush, kept with the set. */
export default function MaskDialog({ setId, photos, masks, close }: MaskDialogProps) {
  const { t } = useTranslation();
  const [found, setFound, failure] = useObjects(setId, photos);
  const [edited, edit] = useState<number | null>(null);
  const keep = useKeep(setId, masks, close);
  const now = edited === null ? undefined : found[edited];
  const missing = found.filter(({ mask }) => mask === null).length;
  const complete = found.length === photos.length;
  return (
    <>
      <Heading slot="title" level={2}>
        {t("masks.title")}
      </Heading>
      {now ? (
        <MaskEditor
          name={now.photo.name}
          image={now.image}
          mask={now.mask}
          onChange={(mask) => setFound((before) => before.map((each, index) => (index === edited ? { ...each, mask } : each)))}
          onClose={() => edit(null)}
        />
      ) : (
        <>
          <p className="quiet small">{t("masks.text")}</p>
          {!complete && failure === null && <Progress label={t("masks.finding")} share={found.length / photos.length} text={t("masks.finding")} />}
          {failure !== null && <ProblemNotice error={failure} />}
          {complete && missing > 0 && <Notice tone="doubt" title={t("masks.missing", { count: missing })} />}
          <ul className={styles.grid}>
            {found.map(({ photo, image, mask }, index) => (
              <li key={photo.id}>
                <button type="button" className={styles.tile} aria-label={t("masks.edit", { name: photo.name })} onClick={() => edit(index)}>
                  <MaskView image={image} mask={mask} label={photo.name} />
                </button>
              </li>
            ))}
          </ul>
          {keep.error && <ProblemNotice error={keep.error} />}
          <div className="row">
            <Button kind="primary" isDisabled={!complete || keep.isPending || missing === photos.length} onPress={() => keep.mutate(found)}>
              {t("masks.use")}
            </Button>
            <Button onPress={close}>{t("cancel")}</Button>
          </div>
        </>
      )}
    </>
  );
}

function useObjects(setId: string, photos: readonly Photo[]) {
  const queries = useQueryClient();
  const [found, setFound] = useState<Found[]>([]);
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    const known = new Map(photos.map((photo) => [photo.id, photo]));
    const load = (id: string) => queries.fetchQuery(thumbnail(setId, known.get(id) as Photo));
    const add = async (id: string, mask: MaskCanvas | null) => {
      const [photo, image] = [known.get(id) as Photo, await createImageBitmap(await load(id))];
      if (!stop.signal.aborted) setFound((before) => [...before, { photo, image, mask }]);
    };
    findObjects([...known.keys()], load, (id, mask) => void add(id, mask), stop.signal).catch((error: unknown) => !stop.signal.aborted && setFailure(error));
    return () => {
      stop.abort();
      setFound((before) => (before.forEach(({ image }) => image.close()), []));
    };
    // a set that changes meanwhile is looked at again when the dialog is opened again
  }, [setId]);
  return [found, setFound, failure] as const;
}

/** Masks are files of the set like any other: former ones go first. */
function useKeep(setId: string, masks: ReadonlyMap<string, Photo>, done: () => void) {
  const uploads = useUploads();
  const queries = useQueryClient();
  return useMutation({
    async mutationFn(found: readonly Found[]) {
      const files = await Promise.all(
        found.flatMap(({ photo, mask }) => (mask ? [maskFile(mask, photo.width_px ?? mask.width, photo.height_px ?? mask.height, maskNameOf(photo.name))] : [])),
      );
      await removeMasks(setId, masks);
      await uploads.add(setId, files);
    },
    onSuccess() {
      void queries.invalidateQueries({ queryKey: keys.set(setId) });
      done();
    },
  });
}
