import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { photos, thumbnail } from "../api/queries";
import { Button } from "../ui";
import { useObjectUrl } from "../ui/useObjectUrl";
import type { Cameras } from "./formats";
import styles from "./viewer.module.css";

interface CameraPanelProps {
  cameras: Cameras;
  /** The set of the photographs; null where it has been deleted. */
  setId: string | null;
  chosen: number | null;
  onChoose: (index: number | null) => void;
}

/** Which photograph the view stands at, with its picture. */
export function CameraPanel({ cameras, setId, chosen, onChoose }: CameraPanelProps) {
  const { t } = useTranslation();
  const count = cameras.images.length;
  const name = chosen === null ? null : (cameras.images[chosen]?.name ?? null);
  const step = (by: number) => onChoose(((chosen ?? (by > 0 ? -1 : 0)) + by + count) % count);
  return (
    <section className={styles.panel} aria-label={t("viewer.photographs")}>
      <p className="quiet small">{t("viewer.camerasHint")}</p>
      <div className="row">
        <Button aria-label={t("viewer.previous")} onPress={() => step(-1)}>
          ‹
        </Button>
        <select
          className={styles.select}
          aria-label={t("viewer.photograph")}
          value={chosen ?? ""}
          onChange={(event) => onChoose(event.target.value === "" ? null : Number(event.target.value))}
        >
          <option value="">{t("viewer.noPhotograph")}</option>
          {cameras.images.map((image, index) => (
            <option key={image.name} value={index}>
              {image.name}
            </option>
          ))}
        </select>
        <Button aria-label={t("viewer.following")} onPress={() => step(1)}>
          ›
        </Button>
      </div>
      {setId && name !== null && <Picture setId={setId} name={name} />}
    </section>
  );
}

function Picture({ setId, name }: { setId: string; name: string }) {
  const { t } = useTranslation();
  const found = useInfiniteQuery(photos(setId));
  const photo = found.data?.pages.flatMap((page) => page.items).find((each) => each.name === name);
  const { hasNextPage, isFetching, isError, fetchNextPage } = found;
  useEffect(() => {
    if (!photo && hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [photo, hasNextPage, isFetching, isError, fetchNextPage]);
  return photo ? <Thumbnail setId={setId} photo={photo} /> : <p className="quiet small">{found.isSuccess && !hasNextPage && t("viewer.photographGone")}</p>;
}

function Thumbnail({ setId, photo }: { setId: string; photo: Parameters<typeof thumbnail>[1] }) {
  const { data } = useQuery(thumbnail(setId, photo));
  const url = useObjectUrl(data);
  return url && <img className={styles.photograph} src={url} alt={photo.name} />;
}
