import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";

import { job as jobQuery, results as resultsQuery } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Empty, Loading, Notice, ProblemNotice } from "../../ui";
import { modesOf, shownOf } from "../../viewer/kinds";
import { sourceOfJob } from "../../viewer/source";
import { StateBadge } from "../jobs/StateBadge";
import { Downloads } from "./Downloads";
import { Report } from "./Report";
import { JobActions } from "./JobActions";
import { JobProgress } from "./JobProgress";
import { Judgement } from "./Judgement";
import { Sharing } from "./Sharing";
import { Stages } from "./Stages";
import styles from "./job.module.css";
import { useJobEvents } from "./useJobEvents";

const Viewer = lazy(() => import("../../annotations/AnnotatedViewer"));

export function JobPage() {
  const { jobId = "" } = useParams();
  const { t } = useTranslation();
  const format = useFormat();
  const job = useQuery(jobQuery(jobId));
  const found = useQuery(resultsQuery(jobId));
  const source = useMemo(() => sourceOfJob(jobId), [jobId]);
  const connected = useJobEvents(jobId, job.data?.state);
  if (job.isPending) return <Loading />;
  if (job.error) return <ProblemNotice error={job.error} onRetry={() => void job.refetch()} />;
  const active = job.data.state === "queued" || job.data.state === "running";
  const results = found.data ?? [];
  const visible = modesOf(shownOf(results)).length > 0;
  return (
    <>
      <div className="row spread">
        <div className="stack">
          <h1 className="row">
            <bdi>{job.data.name || job.data.id}</bdi> <StateBadge job={job.data} />
          </h1>
          <p className="quiet small numbers">
            {t(`form.${job.data.quality as "medium"}`)} · {t("job.made", { when: format.moment(job.data.created_at) })}
            {job.data.image_set_id && (
              <>
                {" · "}
                <Link to={`/sets/${job.data.image_set_id}`}>{t("job.photographs")}</Link>
                {job.data.state === "succeeded" && (
                  <>
                    {" · "}
                    <Link to={`/sets/${job.data.image_set_id}/compare?b=${jobId}`}>{t("compare.withAnother")}</Link>
                  </>
                )}
              </>
            )}
          </p>
        </div>
        <JobActions job={job.data} />
      </div>
      {active && <JobProgress job={job.data} connected={connected} />}
      <Judgement job={job.data} />
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      {visible ? (
        <Suspense fallback={<div className={`card ${styles.placeholder}`}><Loading /></div>}>
          <Viewer jobId={jobId} source={source} name={job.data.name || jobId} setId={job.data.image_set_id} results={results} />
        </Suspense>
      ) : (
        found.isSuccess && <div className={`card ${styles.placeholder}`}><Empty>{active ? t("viewer.nothing") : t("viewer.nothingEnded")}</Empty></div>
      )}
      {active && visible && !shownOf(results).model && <Notice tone="plain" title={t("viewer.sparse")} />}
      {!active && <Report jobId={jobId} results={results} />}
      <div className={styles.columns}>
        <Downloads jobId={jobId} results={results} ended={!active} />
        <div className="stack">
          {shownOf(results).model && <Sharing jobId={jobId} />}
          <Stages job={job.data} />
        </div>
      </div>
    </>
  );
}
