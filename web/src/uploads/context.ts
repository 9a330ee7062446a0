import { createContext, useContext, useSyncExternalStore } from "react";

import type { UploadEntry, UploadQueue } from "./queue";

export const UploadsContext = createContext<UploadQueue | null>(null);

export function useUploads(): UploadQueue {
  const queue = useContext(UploadsContext);
  if (!queue) throw new Error("no upload queue around this component");
  return queue;
}

export function useUploadsOf(setId: string): UploadEntry[] {
  const queue = useUploads();
  return useSyncExternalStore(queue.subscribe, queue.entries).filter((entry) => entry.setId === setId);
}
