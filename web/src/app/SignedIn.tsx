import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { Navigate, Outlet, useLocation } from "react-router";

import { keys } from "../api/queries";
import { session } from "../api/session";
import { mayBeThere } from "../capture/photos";
import { Loading, ProblemNotice } from "../ui";
import { useUploads } from "../uploads/context";
import type { UploadQueue } from "../uploads/queue";

/** Sends what was photographed before; its sets are listed at once. */
async function deliverKept(uploads: UploadQueue, queries: QueryClient): Promise<void> {
  const { deliverAll } = await import("../capture/deliver");
  await deliverAll(uploads);
  await queries.invalidateQueries({ queryKey: keys.sets, exact: true });
}

/** What only somebody who is signed in may see; others are sent to sign in, and come back. */
export function SignedIn() {
  const state = useSyncExternalStore(session.subscribe, session.state);
  const uploads = useUploads();
  const queries = useQueryClient();
  const location = useLocation();
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);

  useEffect(() => {
    if (state === "unknown") session.renew().then(() => setError(null), setError);
    if (state !== "in") return;
    void uploads.resume();
    if (mayBeThere()) void deliverKept(uploads, queries).catch(() => undefined); // later, then
  }, [state, uploads, queries, tries]);

  if (state === "in") return <Outlet />;
  if (state === "out") return <Navigate to="/sign-in" replace state={{ from: location.pathname }} />;
  return error ? <ProblemNotice error={error} onRetry={() => setTries(tries + 1)} /> : <Loading />;
}
