import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, take } from "../../api/client";

const PAGE = 100;

export const accountKeys = {
  sessions: ["account", "sessions"],
  apiKeys: ["account", "keys"],
  webhooks: ["account", "webhooks"],
  deliveries: (id: string) => ["account", "webhooks", id, "deliveries"],
};

export const sessions = queryOptions({ queryKey: accountKeys.sessions, queryFn: async () => (await take(api.GET("/v1/me/sessions"))).items });

export const apiKeys = queryOptions({
  queryKey: accountKeys.apiKeys,
  queryFn: async () => (await take(api.GET("/v1/api-keys", { params: { query: { limit: PAGE } } }))).items,
});

export const webhooks = queryOptions({
  queryKey: accountKeys.webhooks,
  queryFn: async () => (await take(api.GET("/v1/webhooks", { params: { query: { limit: PAGE } } }))).items,
});

export const deliveries = (id: string) =>
  infiniteQueryOptions({
    queryKey: accountKeys.deliveries(id),
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/v1/webhooks/{webhook_id}/deliveries", {
          params: { path: { webhook_id: id }, query: { limit: 20, cursor: pageParam } },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });
