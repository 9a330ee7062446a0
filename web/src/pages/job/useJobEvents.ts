import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { Schemas } from "../../api/client";
import { follow, type ServerEvent } from "../../api/events";
import { keys } from "../../api/queries";

type Job = Schemas["JobDetail"];
const PROGRESS = "job.progress";
const RESULTS_AGAIN_MS = 3_000;

/** Keeps what is known of a job fresh while it is unfinished; returns whether its events arrive. */
export function useJobEvents(jobId: string, state: Job["state"] | undefined): boolean {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(true);
  const active = state === "queued" || state === "running";
  useEffect(() => {
    if (!active) return;
    const stop = new AbortController();
    let stage: unknown = null;
    let looked = 0;
    const lookForResults = () => {
      looked = Date.now();
      void queries.invalidateQueries({ queryKey: keys.results(jobId) });
    };
    const onEvent = (event: ServerEvent) => {
      if (event.type === PROGRESS) {
        queries.setQueryData<Job>(keys.job(jobId), (known) => known && withProgress(known, event));
        if (event.data.stage !== stage || Date.now() - looked > RESULTS_AGAIN_MS) lookForResults();
        stage = event.data.stage;
      } else {
        void queries.invalidateQueries({ queryKey: keys.job(jobId) });
        void queries.invalidateQueries({ queryKey: keys.jobs, exact: true });
      }
    };
    void follow(`/v1/jobs/${jobId}/events`, stop.signal, onEvent, setConnected);
    return () => stop.abort();
  }, [active, jobId, queries]);
  return connected;
}

export function withProgress(job: Job, event: ServerEvent): Job {
  const { stage, units_done, units_total, eta_low_s, eta_high_s, progress } = event.data as Partial<Job>;
  return {
    ...job,
    state: "running",
    stage: stage ?? job.stage,
    units_done: units_done ?? job.units_done,
    units_total: units_total ?? job.units_total,
    progress: progress ?? job.progress,
    eta_low_s: eta_low_s ?? null,
    eta_high_s: eta_high_s ?? null,
  };
}
