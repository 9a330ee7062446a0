import { useInfiniteQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import { jobs } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Button, Empty, Loading, ProblemNotice, Progress } from "../../ui";
import styles from "../lists.module.css";
import { useNotDeleted } from "../../undo/context";
import { StateBadge } from "./StateBadge";

const LOOK_AGAIN_MS = 5_000;

/** All jobs of the user, or those of one set; looked at again while some are unfinished. */
export function JobList({ imageSetId }: { imageSetId?: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const found = useInfiniteQuery({
    ...jobs(imageSetId),
    refetchInterval: (query) => {
      const items = query.state.data?.pages.flatMap((page) => page.items) ?? [];
      return items.some((job) => job.state === "queued" || job.state === "running") ? LOOK_AGAIN_MS : false;
    },
  });
  const items = useNotDeleted(found.data?.pages.flatMap((page) => page.items) ?? []);
  if (found.isPending) return <Loading />;
  if (found.error) return <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />;
  if (items.length === 0) {
    return (
      <Empty>
        {t(imageSetId ? "set.noModels" : "jobs.empty")}
        {!imageSetId && <Link to="/sets">{t("jobs.toSets")}</Link>}
      </Empty>
    );
  }
  return (
    <>
      <ul className={styles.list}>
        {items.map((job) => (
          <li key={job.id} className={`card ${styles.item}`}>
            <div className="row spread">
              <Link to={`/jobs/${job.id}`} className={styles.link}>
                <bdi>{job.name || job.id}</bdi>
              </Link>
              <StateBadge job={job} />
            </div>
            <span className="quiet small numbers">
              {t(`form.${job.quality as "medium"}`)} · {format.moment(job.created_at)}
            </span>
            {job.state === "running" && <Progress label={t("job.progress")} share={job.progress} />}
          </li>
        ))}
      </ul>
      {imageSetId && items.filter((job) => job.state === "succeeded").length > 1 && (
        <p>
          <Link to={`/sets/${imageSetId}/compare`}>{t("compare.title")}</Link>
        </p>
      )}
      {found.hasNextPage && <Button onPress={() => void found.fetchNextPage()}>{t("app.more")}</Button>}
    </>
  );
}
