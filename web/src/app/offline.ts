/** Lets the page open without a network, once it has been seen with one; not in frames of other sites. */
export function keepForOffline(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator) || location.pathname.startsWith("/shared/")) return;
  addEventListener("load", () => {
    navigator.serviceWorker.register("/service-worker.js").catch((error: unknown) => console.warn(error)); // works without
  });
}
