import { createStore, del, entries, get, keys, set, type UseStore } from "idb-keyval";

import { keep as flag, kept as flagged } from "../app/storage";
import type { Heading } from "./heading";

/** Photographs that were taken one after another of one thing; they become a set. */
export interface Capture {
  id: string;
  name: string;
  /** Null until the service knows the set. */
  setId: string | null;
  begun_ms: number;
  /** Whether nothing is added any more. */
  ended: boolean;
}

export interface TakenPhoto {
  captureId: string;
  name: string;
  content: Blob;
  heading: Heading | null;
}

const FLAG = "e2e3d-captures"; // so that other views need not look for photographs that nobody has taken
let opened: { captures: UseStore; photos: UseStore } | null = null;
const stores = () => (opened ??= { captures: createStore("e2e3d-captures", "captures"), photos: createStore("e2e3d-photos", "photos") });

export const mayBeThere = (): boolean => flagged(FLAG) === "1";

export async function keepCapture(capture: Capture): Promise<void> {
  flag(FLAG, "1");
  await set(capture.id, capture, stores().captures);
}

export const keptCapture = (id: string): Promise<Capture | undefined> => get<Capture>(id, stores().captures);
export const keptCaptures = async (): Promise<Capture[]> => (await entries<string, Capture>(stores().captures)).map(([, each]) => each);
export const forgetCapture = (id: string): Promise<void> => del(id, stores().captures);

export const keyOf = ({ captureId, name }: Pick<TakenPhoto, "captureId" | "name">): string => `${captureId}/${name}`;
export const keepPhoto = (photo: TakenPhoto): Promise<void> => set(keyOf(photo), photo, stores().photos);
export const keptPhoto = (key: string): Promise<TakenPhoto | undefined> => get<TakenPhoto>(key, stores().photos);
export const forgetPhoto = (key: string): Promise<void> => del(key, stores().photos);

/** The keys of the photographs of a capture, in the order in which they were taken. */
export async function photosOf(captureId: string): Promise<string[]> {
  const all = await keys<string>(stores().photos);
  return all.filter((key) => key.startsWith(`${captureId}/`)).sort();
}

/** Before somebody else uses this browser. */
export async function forgetCaptures(): Promise<void> {
  for (const { id } of await keptCaptures()) {
    for (const key of await photosOf(id)) await forgetPhoto(key);
    await forgetCapture(id);
  }
}
