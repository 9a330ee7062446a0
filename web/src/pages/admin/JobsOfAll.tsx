import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, take } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Button, Confirm, Empty, ProblemNotice } from "../../ui";
import { StateBadge } from "../jobs/StateBadge";
import styles from "../panels.module.css";
import { stageName } from "../stages";
import { adminKeys, jobsOfAll, type JobState } from "./queries";

const STATES: JobState[] = ["queued", "running", "succeeded", "failed", "cancelled"];

/** The jobs of all users, of which unfinished ones can be cancelled. */
export function JobsOfAll() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const [state, setState] = useState<JobState | "">("");
  const found = useInfiniteQuery(jobsOfAll(state));
  const cancel = useMutation({
    mutationFn: (id: string) => take(api.POST("/v1/admin/jobs/{job_id}/cancel", { params: { path: { job_id: id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: adminKeys.all }),
  });
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  const error = found.error ?? cancel.error;
  return (
    <section className="card stack" aria-label={t("admin.jobs")}>
      <div className={styles.inline}>
        <label className={styles.field}>
          {t("admin.state")}
          <select className={styles.select} value={state} onChange={(event) => setState(event.target.value as JobState | "")}>
            <option value="">{t("admin.any")}</option>
            {STATES.map((each) => (
              <option key={each} value={each}>
                {t(`state.${each}`)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <ProblemNotice error={error} />}
      {found.isSuccess && items.length === 0 && <Empty>{t("admin.none")}</Empty>}
      <ul>
        {items.map(({ job, email }) => (
          <li key={job.id} className={styles.item}>
            <div className={styles.text}>
              <span className="row">
                <bdi>{job.name || job.id}</bdi> <StateBadge job={job} />
              </span>
              <span className="quiet small numbers">
                <bdi>{email}</bdi> · {t(`form.${job.quality as "medium"}`)} · {format.moment(job.created_at)}
                {job.state === "running" && job.stage && ` · ${stageName(t, job.stage)} · ${format.percent(job.progress)}`}
                {job.error && ` · ${job.error.code}`}
              </span>
            </div>
            {(job.state === "queued" || job.state === "running") && !job.cancel_requested && (
              <Confirm trigger={t("job.cancel")} title={t("job.cancelTitle")} text={t("job.cancelText")} confirm={t("job.cancel")} onConfirm={() => cancel.mutate(job.id)} />
            )}
          </li>
        ))}
      </ul>
      {found.hasNextPage && <Button onPress={() => void found.fetchNextPage()}>{t("app.more")}</Button>}
    </section>
  );
}
