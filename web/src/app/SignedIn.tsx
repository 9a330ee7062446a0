import { useEffect, useState, useSyncExternalStore } from "react";
import { Navigate, Outlet, useLocation } from "react-router";

import { session } from "../api/session";
import { mayBeThere } from "../capture/photos";
import { Loading, ProblemNotice } from "../ui";
import { useUploads } from "../uploads/context";

/** What only somebody who is signed in may see; others are sent to sign in, and come back. */
export function SignedIn() {
  const state = useSyncExternalStore(session.subscribe, session.state);
  const uploads = useUploads();
  const location = useLocation();
  const [error, setError] = useState<unknown>(null);
  const [tries, setTries] = useState(0);

  useEffect(() => {
    if (state === "unknown") session.renew().then(() => setError(null), setError);
    if (state !== "in") return;
    void uploads.resume();
    if (mayBeThere()) void import("../capture/deliver").then(({ deliverAll }) => deliverAll(uploads)).catch(() => undefined); // later, then
  }, [state, uploads, tries]);

  if (state === "in") return <Outlet />;
  if (state === "out") return <Navigate to="/sign-in" replace state={{ from: location.pathname }} />;
  return error ? <ProblemNotice error={error} onRetry={() => setTries(tries + 1)} /> : <Loading />;
}
