import { api, take, type Schemas } from "../api/client";

const REMOVED_AT_ONCE = 500;

/** Use whole photographs again. */
export async function removeMasks(setId: string, masks: ReadonlyMap<string, Schemas["Photo"]>): Promise<void> {
  const ids = [...masks.values()].map(({ id }) => id);
  const params = { path: { image_set_id: setId } };
  for (let at = 0; at < ids.length; at += REMOVED_AT_ONCE) {
    const body = { ids: ids.slice(at, at + REMOVED_AT_ONCE) };
    await take(api.POST("/v1/image-sets/{image_set_id}/photos/remove", { params, body }));
  }
}
