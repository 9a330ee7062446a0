import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button as PlainButton, ToggleButton } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { keys, photos } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Badge, Button, Empty, Loading, Notice, ProblemNotice, uiStyles, type Tone } from "../../ui";
import { FindingText } from "../../uploads/FindingText";
import uploadStyles from "../../uploads/uploads.module.css";
import styles from "./set.module.css";

const TONES: Record<Schemas["Photo"]["state"], Tone> = { ok: "good", warning: "doubt", rejected: "bad" };

const BY_NAME = new Intl.Collator(undefined, { numeric: true });

/** The photographs of a set, with what is wrong with which. */
export function PhotoList({ setId }: { setId: string }) {
  const { t } = useTranslation();
  const found = useInfiniteQuery(photos(setId));
  const [only, setOnly] = useState(false);
  if (found.isPending) return <Loading />;
  if (found.error) return <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />;
  const items = found.data.pages.flatMap((page) => page.items).sort((a, b) => BY_NAME.compare(a.name, b.name));
  const remarked = items.filter((photo) => photo.findings.length > 0);
  if (items.length === 0) return <Empty>{t("set.empty")}</Empty>;
  return (
    <section className="card stack" aria-labelledby="photos">
      <div className="row spread">
        <h2 id="photos">{t("set.photos")}</h2>
        {remarked.length > 0 && (
          <div className={uiStyles.toggles}>
            <ToggleButton className={uiStyles.toggle ?? ""} isSelected={only} onChange={setOnly}>
              {t("set.only")}
            </ToggleButton>
          </div>
        )}
      </div>
      {remarked.length > 0 ? (
        <Notice tone="doubt" title={t("set.withRemarks", { count: remarked.length })} />
      ) : (
        <Notice tone="good" title={t("set.allGood")} />
      )}
      <ul className={styles.photos} tabIndex={0} aria-labelledby="photos">
        {(only ? remarked : items).map((photo) => (
          <PhotoItem key={photo.id} photo={photo} setId={setId} />
        ))}
      </ul>
      {found.hasNextPage && <Button onPress={() => void found.fetchNextPage()}>{t("app.more")}</Button>}
    </section>
  );
}

function PhotoItem({ photo, setId }: { photo: Schemas["Photo"]; setId: string }) {
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
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.set(setId) }),
  });
  return (
    <li className={styles.photo}>
      <span className={uploadStyles.name}>
        <bdi>{photo.name}</bdi>
      </span>
      <Badge tone={TONES[photo.state]}>{t(`set.${photo.state}`)}</Badge>
      <PlainButton className={uploadStyles.close ?? ""} aria-label={t("set.remove", { name: photo.name })} onPress={() => remove.mutate()}>
        ×
      </PlainButton>
      <span className="quiet small numbers">
        {photo.width_px && photo.height_px ? `${t("set.size", { width: photo.width_px, height: photo.height_px })} · ` : ""}
        {format.bytes(photo.bytes)}
      </span>
      {photo.findings.map((finding) => (
        <span key={finding.code} className={finding.fatal ? uploadStyles.failure : uploadStyles.remarks}>
          <FindingText finding={finding} />
        </span>
      ))}
    </li>
  );
}
