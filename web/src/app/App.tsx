import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { I18nProvider } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";

import { asProblem } from "../api/problem";
import { keys } from "../api/queries";
import { session } from "../api/session";
import { JobPage } from "../pages/job/JobPage";
import { JobsPage } from "../pages/jobs/JobsPage";
import { SetPage } from "../pages/set/SetPage";
import { SetsPage } from "../pages/sets/SetsPage";
import { SharedPage } from "../pages/shared/SharedPage";
import { SignInPage } from "../pages/sign-in/SignInPage";
import { DeletionsContext } from "../undo/context";
import { Deletions } from "../undo/deletions";
import { UploadQueue } from "../uploads/queue";
import { UploadsContext } from "../uploads/context";
import { Loading } from "../ui";
import { atMostEvery } from "./atMostEvery";
import { Layout } from "./Layout";
import { NotFound } from "./NotFound";
import { SignedIn } from "./SignedIn";

const AccountPage = lazy(() => import("../pages/account/AccountPage"));
const AdminPage = lazy(() => import("../pages/admin/AdminPage"));
const CapturePage = lazy(() => import("../capture/CapturePage"));
const ComparePage = lazy(() => import("../pages/compare/ComparePage"));

const ARRIVALS_MS = 2_000; // a set of thousands is not asked for after every one of them

export function App() {
  const { i18n } = useTranslation();
  const [queries] = useState(newQueryClient);
  const [uploads] = useState(
    () => new UploadQueue(atMostEvery(ARRIVALS_MS, (setId) => void queries.invalidateQueries({ queryKey: keys.set(setId) }))),
  );
  const [deletions] = useState(() => new Deletions());
  useEffect(() => session.subscribe(() => session.state() === "out" && queries.clear()), [queries]);
  return (
    <I18nProvider locale={i18n.language}>
      <QueryClientProvider client={queries}>
        <UploadsContext value={uploads}>
          <DeletionsContext value={deletions}>
          <BrowserRouter>
            <Routes>
              <Route path="/sign-in" element={<SignInPage />} />
              <Route path="/shared/:token" element={<SharedPage />} />
              <Route path="/capture" element={<Suspense fallback={<Loading />}><CapturePage /></Suspense>} />
              <Route element={<SignedIn />}>
                <Route element={<Layout />}>
                  <Route index element={<Navigate to="/sets" replace />} />
                  <Route path="/sets" element={<SetsPage />} />
                  <Route path="/sets/:setId" element={<SetPage />} />
                  <Route path="/sets/:setId/compare" element={<ComparePage />} />
                  <Route path="/jobs" element={<JobsPage />} />
                  <Route path="/jobs/:jobId" element={<JobPage />} />
                  <Route path="/account" element={<AccountPage />} />
                  <Route path="/admin" element={<AdminPage />} />
                  <Route path="*" element={<NotFound />} />
                </Route>
              </Route>
            </Routes>
          </BrowserRouter>
          </DeletionsContext>
        </UploadsContext>
      </QueryClientProvider>
    </I18nProvider>
  );
}

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (count, error) => {
          const { status } = asProblem(error);
          return count < 5 && (status === 0 || status >= 500);
        },
      },
    },
  });
}
