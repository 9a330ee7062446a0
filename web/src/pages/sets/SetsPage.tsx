import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";

import { api, take } from "../../api/client";
import { imageSets, keys } from "../../api/queries";
import { canPhotograph } from "../../app/online";
import { useFormat } from "../../i18n/format";
import { Button, buttonClass, Empty, Loading, ProblemNotice } from "../../ui";
import { useNotDeleted } from "../../undo/context";
import { useUploads } from "../../uploads/context";
import { DropArea } from "../../uploads/DropArea";
import styles from "../lists.module.css";

export function SetsPage() {
  const { t } = useTranslation();
  const format = useFormat();
  const sets = useInfiniteQuery(imageSets);
  const items = useNotDeleted(sets.data?.pages.flatMap((page) => page.items) ?? []);
  const begin = useBeginSet();
  return (
    <>
      <h1>{t("sets.title")}</h1>
      <DropArea onFiles={(files) => begin.mutate(files)}>
        <p className="quiet">{t("sets.lead")}</p>
      </DropArea>
      {canPhotograph() && (
        <div>
          <Link className={buttonClass()} to="/capture">
            {t("capture.title")}
          </Link>
        </div>
      )}
      {begin.error && <ProblemNotice error={begin.error} />}
      {sets.isPending && <Loading />}
      {sets.error && <ProblemNotice error={sets.error} onRetry={() => void sets.refetch()} />}
      {sets.isSuccess && items.length === 0 && <Empty>{t("sets.empty")}</Empty>}
      <ul className={styles.list}>
        {items.map((set) => (
          <li key={set.id} className={`card ${styles.item}`}>
            <Link to={`/sets/${set.id}`} className={styles.link}>
              <bdi>{set.name}</bdi>
            </Link>
            <span className="quiet small numbers">
              {t("sets.photos", { count: set.photo_count })} · {format.bytes(set.bytes)}
            </span>
            <span className="quiet small">{format.moment(set.created_at)}</span>
          </li>
        ))}
      </ul>
      {sets.hasNextPage && <Button onPress={() => void sets.fetchNextPage()}>{t("app.more")}</Button>}
    </>
  );
}

/** Makes a set of dropped files: named after their folder, else after the day. */
function useBeginSet() {
  const { t } = useTranslation();
  const format = useFormat();
  const uploads = useUploads();
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    async mutationFn(files: File[]) {
      const name = nameOf(files) ?? t("sets.newName", { date: format.day(new Date()) });
      const made = await take(api.POST("/v1/image-sets", { body: { name } }));
      void uploads.add(made.id, files);
      return made;
    },
    onSuccess(made) {
      void queries.invalidateQueries({ queryKey: keys.sets, exact: true });
      void navigate(`/sets/${made.id}`);
    },
  });
}

function nameOf(files: File[]): string | null {
  const [first] = files;
  const folder = first?.webkitRelativePath.split("/").at(-2);
  if (folder) return folder;
  return files.length === 1 && first ? first.name.replace(/\.\w+$/, "") : null;
}
