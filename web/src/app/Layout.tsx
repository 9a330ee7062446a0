import { useQuery } from "@tanstack/react-query";
import { Suspense, useEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { NavLink, Outlet, useLocation } from "react-router";

import { me } from "../api/queries";
import { session } from "../api/session";
import { Button, Loading, Notice } from "../ui";
import { useDeletions } from "../undo/context";
import { UndoBar } from "../undo/UndoBar";
import { useUploads } from "../uploads/context";
import styles from "./layout.module.css";
import { Preferences } from "./Preferences";
import icon from "./icon.svg";

export function Layout() {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const uploads = useUploads();
  const account = useQuery(me).data;
  const [deletions] = useDeletions();
  const signOut = async () => {
    await deletions.commitAll(false);
    await uploads.abandon().finally(() => session.signOut());
  };
  const online = useSyncExternalStore(subscribeOnline, () => navigator.onLine);
  useEffect(() => {
    scrollTo(0, 0); // newer browsers return a promise, which an effect must not
  }, [pathname]);
  return (
    <>
      <a className={styles.skip} href="#content">
        {t("app.skip")}
      </a>
      <header className={styles.header}>
        <div className={styles.bar}>
          <NavLink to="/sets" className={styles.brand ?? ""}>
            <img src={icon} alt="" width="26" height="26" /> E2E3D
          </NavLink>
          <nav className={styles.nav} aria-label={t("app.main")}>
            <NavLink to="/sets">{t("app.sets")}</NavLink>
            <NavLink to="/jobs">{t("app.jobs")}</NavLink>
            {account?.role === "admin" && <NavLink to="/admin">{t("app.admin")}</NavLink>}
          </nav>
          <div className={styles.tools}>
            <NavLink to="/account" className={styles.account ?? ""}>
              {t("app.account")}
            </NavLink>
            <Preferences />
            <Button kind="bare" onPress={() => void signOut()}>
              {t("app.signOut")}
            </Button>
          </div>
        </div>
      </header>
      <main id="content" className={styles.main} tabIndex={-1}>
        {!online && <Notice tone="doubt" title={t("app.offline")} />}
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </main>
      <UndoBar />
    </>
  );
}

function subscribeOnline(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}
