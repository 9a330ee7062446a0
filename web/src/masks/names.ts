import type { Schemas } from "../api/client";

type Photo = Schemas["Photo"];

const FOLDER = /(^|\/)masks?\//i; // as the service reads names: e2e3d/pipeline/sources/source_set.py

export const isMask = (name: string): boolean => FOLDER.test(name);

/** What the mask of a photograph is called: beside it, in a folder of masks. */
export const maskNameOf = (name: string): string => `masks/${name}.png`;

/** The photographs of a set, and the masks of those that have one, by the name of the photograph. */
export function partedPhotos(all: readonly Photo[]): { photos: Photo[]; masks: Map<string, Photo> } {
  const photos = all.filter(({ name }) => !isMask(name));
  const known = new Map(all.filter(({ name }) => isMask(name)).map((mask) => [stemOf(mask.name.replace(FOLDER, "$1")), mask]));
  const found = photos.flatMap(({ name }) => {
    const mask = known.get(name.toLowerCase()) ?? known.get(stemOf(name));
    return mask ? [[name, mask] as const] : [];
  });
  return { photos, masks: new Map(found) };
}

const stemOf = (name: string): string => name.toLowerCase().replace(/\.[^./]+$/, "").replace(/_mask$/, "");
