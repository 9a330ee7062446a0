import { useSyncExternalStore } from "react";

/** Whether the browser believes that it has a network. */
export const useOnline = (): boolean => useSyncExternalStore(subscribe, () => navigator.onLine);

function subscribe(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}

/** Browsers let a page see the camera over HTTPS only, or on the machine itself. */
export const canPhotograph = (): boolean => typeof navigator.mediaDevices?.getUserMedia === "function";
