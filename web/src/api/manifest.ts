import { queryOptions } from "@tanstack/react-query";

import { download, type Schemas } from "./client";
import { keys } from "./queries";

export interface PhotoState {
  name: string;
  state: "registered" | "left_out" | "rejected";
  code: string;
  /** Why, and what to do about it. */
  reason: string;
  remarks: string[];
}

/** `manifest.json` of a result, as far as the page shows it. */
export interface Manifest {
  counts: {
    photographs: number;
    registered: number;
    sparse_points: number;
    mean_error_px: number;
    dense_points: number;
    faces: number;
    texture_pages: number;
  };
  frame: string;
  elapsed_s: number;
  component_sizes: number[];
  photographs: PhotoState[];
  remarks: { code: string; message: string }[];
  judgement: Schemas["JudgementView"] | null;
}

/** What a job that has succeeded says of its result. */
export const manifest = (jobId: string) =>
  queryOptions({
    queryKey: [...keys.results(jobId), "manifest"],
    queryFn: async ({ signal }) =>
      JSON.parse(await (await download(`/v1/jobs/${jobId}/results/manifest.json`, signal)).text()) as Manifest,
    staleTime: Infinity,
  });

/** The report of a job as HTML. */
export const report = (jobId: string) =>
  queryOptions({
    queryKey: [...keys.results(jobId), "report"],
    queryFn: async ({ signal }) => (await download(`/v1/jobs/${jobId}/results/report.html`, signal)).text(),
    staleTime: Infinity,
  });
