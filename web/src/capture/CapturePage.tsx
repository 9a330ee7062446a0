import { useEffect, useRef, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "react-router";

import { session } from "../api/session";
import icon from "../app/icon.svg";
import { useOnline } from "../app/online";
import { useFormat } from "../i18n/format";
import { Button, buttonClass, Notice, ProblemNotice } from "../ui";
import { useUploadsOf } from "../uploads/context";
import { useObjectUrl } from "../ui/useObjectUrl";
import styles from "./capture.module.css";
import { Ring } from "./Ring";
import { useCapture, type Capturing } from "./useCapture";

const BAD = ["back", "slower", "dark", "bright"];

/** Photographing with this device: it says what to do, and takes the photographs by itself. */
export default function CapturePage() {
  const { t } = useTranslation();
  const format = useFormat();
  const video = useRef<HTMLVideoElement>(null);
  const [query] = useSearchParams();
  const name = t("sets.newName", { date: format.moment(new Date().toISOString()) });
  const capture = useCapture(video, name, query.get("set"));
  const online = useOnline();
  const state = useSyncExternalStore(session.subscribe, session.state);
  useEffect(() => {
    if (online && state === "unknown") session.renew().catch(() => undefined); // photographs are kept meanwhile
  }, [online, state]);
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <Link to={capture.setId ? `/sets/${capture.setId}` : "/sets"} className={styles.brand}>
          <img src={icon} alt="" width="24" height="24" /> {t("capture.back")}
        </Link>
        <h1 className={styles.heading}>{t("capture.title")}</h1>
      </header>
      <main className={styles.main}>
        {!online && <Notice tone="doubt" title={t("capture.offline")} />}
        {online && state === "out" && (
          <Notice tone="doubt" title={t("capture.signedOut")}>
            <p>
              <Link to="/sign-in" state={{ from: "/capture" }}>
                {t("signIn.title")}
              </Link>
            </p>
          </Notice>
        )}
        {capture.error !== null && <CameraProblem error={capture.error} />}
        {capture.state === "running" ? (
          <Live video={video} capture={capture} />
        ) : capture.state === "ended" ? (
          <Ended capture={capture} online={online} />
        ) : (
          <section className="card stack">
            <p>{t("capture.lead")}</p>
            <ul className={styles.advice}>
              {(["around", "still", "light", "background"] as const).map((each) => (
                <li key={each}>{t(`capture.${each}`)}</li>
              ))}
            </ul>
            <div>
              <Button kind="primary" isDisabled={capture.state === "starting"} onPress={capture.start}>
                {t("capture.start")}
              </Button>
            </div>
          </section>
        )}
      </main>
    </div>
  );
}

function Live({ video, capture }: { video: React.RefObject<HTMLVideoElement | null>; capture: Capturing }) {
  const { t } = useTranslation();
  const sent = useUploadsOf(capture.setId ?? "").filter(({ state }) => state === "done").length;
  const ghost = useObjectUrl(capture.last ?? undefined);
  const lost = capture.hint === "back";
  return (
    <section className={styles.live} data-flash={capture.flash} aria-label={t("capture.title")}>
      <video ref={video} className={styles.video} muted playsInline aria-label={t("capture.camera")} />
      {lost && ghost && <img className={styles.ghost} src={ghost} alt={t("capture.ghost")} />}
      <p className={styles.hint} data-bad={BAD.includes(capture.hint)} role="status">
        {t(`capture.hints.${capture.hint}`)}
      </p>
      {capture.heading && <Ring headings={capture.headings} heading={capture.heading} />}
      <div className={styles.controls}>
        <p className={styles.count} data-count={capture.count}>
          {t("sets.photos", { count: capture.count })}
          {sent > 0 && ` · ${t("capture.sent", { count: sent })}`}
        </p>
        <button type="button" className={styles.shutter} aria-label={t("capture.shoot")} onClick={capture.shoot} />
        <Button kind="primary" onPress={capture.end}>
          {t("capture.done")}
        </Button>
      </div>
    </section>
  );
}

function Ended({ capture, online }: { capture: Capturing; online: boolean }) {
  const { t } = useTranslation();
  return (
    <section className="card stack">
      <h2>{t("sets.photos", { count: capture.count })}</h2>
      <p>{t(capture.setId && online ? "capture.goOn" : "capture.kept")}</p>
      <div className="row">
        {capture.setId && (
          <Link className={buttonClass("primary")} to={`/sets/${capture.setId}`}>
            {t("capture.toSet")}
          </Link>
        )}
        <a className={buttonClass()} href={`/capture${capture.setId ? `?set=${capture.setId}` : ""}`}>
          {t("capture.again")}
        </a>
      </div>
    </section>
  );
}

/** Why there is no camera, or why it stopped. */
function CameraProblem({ error }: { error: unknown }) {
  const { t } = useTranslation();
  const name = error instanceof DOMException ? error.name : "";
  if (!navigator.mediaDevices) return <Notice tone="bad" title={t("capture.insecure")} />;
  if (name === "NotAllowedError") return <Notice tone="bad" title={t("capture.blocked")} />;
  if (["NotFoundError", "OverconstrainedError", "NotReadableError"].includes(name)) return <Notice tone="bad" title={t("capture.noCamera")} />;
  if (name === "QuotaExceededError") return <Notice tone="bad" title={t("capture.full")} />;
  return <ProblemNotice error={error} />;
}
