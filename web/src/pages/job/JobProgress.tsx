import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Progress } from "../../ui";
import { stageName } from "../stages";

/** Where a job is: its place in the queue, or its stage, units and the time left. */
export function JobProgress({ job, connected }: { job: Schemas["JobDetail"]; connected: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <section className="card stack" aria-label={t("job.progress")}>
      <div className="row spread">
        <strong role="status">{headline()}</strong>
        <span className="quiet small numbers">{left()}</span>
      </div>
      <Progress label={t("job.progress")} share={job.progress} />
      <div className="row spread quiet small numbers">
        <span>{job.state === "running" && job.units_total > 0 ? t("job.units", { done: job.units_done, total: job.units_total }) : " "}</span>
        <span>
          {format.percent(job.progress)} · {connected ? t("job.live") : t("job.reconnecting")}
        </span>
      </div>
    </section>
  );

  function headline(): string {
    if (job.cancel_requested) return t("job.cancelling");
    if (job.state === "queued") {
      if (!job.place_in_queue) return t("state.queued");
      return job.place_in_queue === 1 ? t("job.next") : t("job.place", { place: job.place_in_queue });
    }
    return job.stage ? stageName(t, job.stage) : t("job.starting");
  }

  function left(): string {
    const [low, high] = [job.eta_low_s, job.eta_high_s];
    if (low === null || high === null) return t("job.etaUnknown");
    return t("job.eta", { low: format.duration(low), high: format.duration(high) });
  }
}
