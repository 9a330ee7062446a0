import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, download, take, type Schemas } from "./client";

const PAGE = 100;
const LARGE_PAGE = 200; // the most that the service gives

export const keys = {
  me: ["me"],
  sets: ["sets"],
  set: (id: string) => ["sets", id],
  photos: (id: string) => ["sets", id, "photos"],
  jobs: ["jobs"],
  jobsOfSet: (id: string) => ["jobs", "of", id],
  job: (id: string) => ["jobs", id],
  results: (id: string) => ["jobs", id, "results"],
  shares: (id: string) => ["shares", id],
};

export const me = queryOptions({ queryKey: keys.me, queryFn: () => take(api.GET("/v1/me")) });

export const imageSets = infiniteQueryOptions({
  queryKey: keys.sets,
  queryFn: ({ pageParam }) =>
    take(api.GET("/v1/image-sets", { params: { query: { limit: PAGE, cursor: pageParam } } })),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
});

export const imageSet = (id: string) =>
  queryOptions({
    queryKey: keys.set(id),
    queryFn: () => take(api.GET("/v1/image-sets/{image_set_id}", { params: { path: { image_set_id: id } } })),
  });

export const photos = (id: string) =>
  infiniteQueryOptions({
    queryKey: keys.photos(id),
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/v1/image-sets/{image_set_id}/photos", {
          params: { path: { image_set_id: id }, query: { limit: LARGE_PAGE, cursor: pageParam } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

/** A small picture of a photograph; its bytes never change. */
export const thumbnail = (imageSetId: string, photo: Schemas["Photo"]) =>
  queryOptions({
    queryKey: ["thumbnails", photo.sha256],
    queryFn: ({ signal }) => download(`/v1/image-sets/${imageSetId}/photos/${photo.id}/thumbnail`, signal),
    staleTime: Infinity,
    gcTime: 120_000,
  });

export const jobs = (imageSetId?: string) =>
  infiniteQueryOptions({
    queryKey: imageSetId ? keys.jobsOfSet(imageSetId) : keys.jobs,
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/v1/jobs", {
          params: { query: { limit: PAGE, cursor: pageParam, ...(imageSetId ? { image_set_id: imageSetId } : {}) } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

export const job = (id: string) =>
  queryOptions({
    queryKey: keys.job(id),
    queryFn: () => take(api.GET("/v1/jobs/{job_id}", { params: { path: { job_id: id } } })),
  });

export const results = (id: string) =>
  queryOptions({
    queryKey: keys.results(id),
    queryFn: async () => {
      const page = await take(
        api.GET("/v1/jobs/{job_id}/results", { params: { path: { job_id: id }, query: { limit: PAGE } } }),
      );
      return page.items;
    },
  });

export const shares = (jobId: string) =>
  queryOptions({
    queryKey: keys.shares(jobId),
    queryFn: async () => {
      const page = await take(
        api.GET("/v1/jobs/{job_id}/shares", { params: { path: { job_id: jobId }, query: { limit: PAGE } } }),
      );
      return page.items;
    },
  });

/** What a rerun with `changes`, as JSON, would take, and what it uses again. */
export const rerunForecast = (jobId: string, changes: string) =>
  queryOptions({
    queryKey: ["rerun-forecasts", jobId, changes],
    queryFn: () => {
      const body = JSON.parse(changes) as Schemas["RerunRequest"];
      return take(api.POST("/v1/jobs/{job_id}/rerun-forecast", { params: { path: { job_id: jobId } }, body }));
    },
    retry: false,
  });

export const forecast = (imageSetId: string, photoCount: number, quality: string) =>
  queryOptions({
    queryKey: ["forecasts", imageSetId, photoCount, quality],
    queryFn: () => take(api.POST("/v1/forecasts", { body: { image_set_id: imageSetId, quality, settings: {} } })),
    staleTime: 60_000,
    retry: false,
  });
