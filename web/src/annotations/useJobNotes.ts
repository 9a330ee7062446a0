import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, take, type Schemas } from "../api/client";
import { useDeletions, useNotDeleted } from "../undo/context";
import { noteOf, type Draft, type Notes } from "./notes";

const MOST = 200; // of a job, and on a page of the list

const annotations = (jobId: string) =>
  queryOptions({
    queryKey: ["annotations", jobId],
    queryFn: async () => {
      const query = { params: { path: { job_id: jobId }, query: { limit: MOST } } };
      return (await take(api.GET("/v1/jobs/{job_id}/annotations", query))).items;
    },
  });

/** The annotations of a job of whoever is signed in. */
export function useJobNotes(jobId: string): Notes {
  const queries = useQueryClient();
  const { queryKey } = annotations(jobId);
  const found = useQuery(annotations(jobId));
  const [deletions] = useDeletions();
  const items = useNotDeleted(found.data ?? []).map(noteOf);
  return {
    items,
    error: found.error,
    editing: {
      async save(draft) {
        const saved = await send(jobId, draft);
        queries.setQueryData(queryKey, (before) =>
          draft.id === null ? [...(before ?? []), saved] : before?.map((each) => (each.id === saved.id ? saved : each)),
        );
      },
      remove: (note) =>
        deletions.add({
          id: note.id,
          name: note.title,
          async commit({ keepalive }) {
            await take(api.DELETE("/v1/annotations/{annotation_id}", { params: { path: { annotation_id: note.id } }, keepalive }));
            await queries.invalidateQueries({ queryKey });
          },
        }),
    },
  };
}

function send(jobId: string, { id, title, text, position }: Draft): Promise<Schemas["Annotation"]> {
  const body = { title, text, position_world: [...position] };
  return take(
    id === null
      ? api.POST("/v1/jobs/{job_id}/annotations", { params: { path: { job_id: jobId } }, body })
      : api.PATCH("/v1/annotations/{annotation_id}", { params: { path: { annotation_id: id } }, body }),
  );
}
