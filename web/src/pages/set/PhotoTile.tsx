import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button as PlainButton, Dialog, DialogTrigger, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { keys, thumbnail } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Badge, Button, ProblemNotice, uiStyles, type Tone } from "../../ui";
import { useObjectUrl } from "../../ui/useObjectUrl";
import { FindingText } from "../../uploads/FindingText";
import styles from "./photos.module.css";

type Photo = Schemas["Photo"];

const TONES: Record<Photo["state"], Tone> = { ok: "good", warning: "doubt", rejected: "bad" };

/** A photograph of a set: its thumbnail, its name and whether something is wrong; all about it when it is pressed. */
export function PhotoTile({ setId, photo, mask }: { setId: string; photo: Photo; mask?: Photo | undefined }) {
  const { t } = useTranslation();
  return (
    <DialogTrigger>
      <PlainButton className={styles.tile ?? ""}>
        <Thumbnail setId={setId} photo={photo} mask={mask} />
        <span className={styles.name}>
          <bdi>{photo.name}</bdi>
        </span>
        {photo.state !== "ok" && (
          <span className={styles.state}>
            <Badge tone={TONES[photo.state]}>{t(`set.${photo.state}`)}</Badge>
          </span>
        )}
      </PlainButton>
      <ModalOverlay className={uiStyles.overlay ?? ""} isDismissable>
        <Modal>
          <Dialog className={uiStyles.dialog ?? ""}>{({ close }) => <PhotoDetails setId={setId} photo={photo} mask={mask} close={close} />}</Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

interface ThumbnailProps {
  setId: string;
  photo: Photo;
  /** What is left out of it is pale. */
  mask: Photo | undefined;
}

function Thumbnail({ setId, photo, mask }: ThumbnailProps) {
  const { data } = useQuery({ ...thumbnail(setId, photo), enabled: photo.state !== "rejected" });
  const used = useQuery({ ...thumbnail(setId, mask ?? photo), enabled: mask !== undefined });
  const [url, maskUrl] = [useObjectUrl(data), useObjectUrl(mask && used.data)];
  if (!url) return <span className={styles.image} />;
  if (!maskUrl) return <img className={styles.image} src={url} alt="" />;
  return (
    <span className={styles.masked}>
      <img className={`${styles.image} ${styles.leftOut}`} src={url} alt="" />
      <img className={`${styles.image} ${styles.used}`} src={url} alt="" style={{ maskImage: `url(${maskUrl})` }} />
    </span>
  );
}

function PhotoDetails({ setId, photo, mask, close }: ThumbnailProps & { close: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      take(
        api.DELETE("/v1/image-sets/{image_set_id}/photos/{photo_id}", {
          params: { path: { image_set_id: setId, photo_id: photo.id } },
        }),
      ),
    onSuccess() {
      close();
      void queries.invalidateQueries({ queryKey: keys.set(setId) });
    },
  });
  return (
    <>
      <Heading slot="title" level={2} className={styles.title ?? ""}>
        <bdi>{photo.name}</bdi>
      </Heading>
      <Thumbnail setId={setId} photo={photo} mask={mask} />
      <p className="quiet small numbers">
        {photo.width_px && photo.height_px ? `${t("set.size", { width: photo.width_px, height: photo.height_px })} · ` : ""}
        {format.bytes(photo.bytes)}
      </p>
      {photo.findings.length === 0 && <p>{t("set.photoGood")}</p>}
      {photo.findings.map((finding) => (
        <p key={finding.code}>
          <FindingText finding={finding} />
        </p>
      ))}
      {remove.error && <ProblemNotice error={remove.error} />}
      <div className="row">
        <Button kind="danger" isDisabled={remove.isPending} onPress={() => remove.mutate()}>
          {t("set.removeIt")}
        </Button>
        <Button onPress={close}>{t("app.close")}</Button>
      </div>
    </>
  );
}
