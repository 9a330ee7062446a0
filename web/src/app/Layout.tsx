import { useQuery } from "@tanstack/react-query";
import { Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { NavLink, Outlet, useLocation } from "react-router";

import { me } from "../api/queries";
import { session } from "../api/session";
import { forgetCaptures, mayBeThere } from "../capture/photos";
import { Button, Loading, Notice } from "../ui";
import { useDeletions } from "../undo/context";
import { UndoBar } from "../undo/UndoBar";
import { useUploads } from "../uploads/context";
import styles from "./layout.module.css";
import { useOnline } from "./online";
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
    await Promise.all([uploads.abandon(), mayBeThere() && forgetCaptures()]).finally(() => session.signOut());
  };
  const online = useOnline();
  const [open, setOpen] = useState(false); // the menu of narrow screens
  useEffect(() => {
    setOpen(false);
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
          <button type="button" className={styles.menu} aria-expanded={open} aria-controls="tools" onClick={() => setOpen(!open)}>
            {t("app.menu")}
          </button>
          <div id="tools" className={styles.tools} data-open={open}>
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
