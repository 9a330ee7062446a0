import { createStore, del, entries, set } from "idb-keyval";

/** A file on its way, kept by the browser so that a reload goes on with it. */
export interface KeptUpload {
  setId: string;
  file: File;
  url: string | null;
}

const store = () => createStore("e2e3d-uploads", "files");

/** Keeping is a comfort: where the browser has no room or no IndexedDB, uploads go on without it. */
async function comfort<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work();
  } catch {
    return otherwise;
  }
}

/** Whether the browser keeps it. */
export const keep = (key: string, upload: KeptUpload): Promise<boolean> => comfort(() => set(key, upload, store()).then(() => true), false);
export const forget = (key: string): Promise<void> => comfort(() => del(key, store()), undefined);
export const kept = (): Promise<[string, KeptUpload][]> => comfort(() => entries<string, KeptUpload>(store()), []);
