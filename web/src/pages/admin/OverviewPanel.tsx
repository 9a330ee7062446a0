import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Badge, Facts, Loading, Notice, Progress, ProblemNotice } from "../../ui";
import styles from "../panels.module.css";
import { health, overview } from "./queries";

/** Queue, storage, backups and the health of each part. */
export function OverviewPanel() {
  const found = useQuery(overview);
  if (found.isPending) return <Loading />;
  if (found.error) return <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />;
  return (
    <div className={styles.columns}>
      <div className="stack">
        <Queue figures={found.data} />
        <Health />
      </div>
      <Storage figures={found.data} />
    </div>
  );
}

function Queue({ figures }: { figures: Schemas["Overview"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const jobs = Object.entries(figures.jobs).map(([state, count]): [string, string] => [t(`state.${state as "queued"}`), format.number(count)]);
  return (
    <section className="card stack" aria-labelledby="queue">
      <h2 id="queue">{t("admin.queue")}</h2>
      <Facts
        facts={[
          ...jobs,
          [t("admin.longestWait"), figures.oldest_wait_s > 0 ? format.duration(figures.oldest_wait_s) : "–"],
          [t("admin.longestSilence"), figures.longest_silence_s > 0 ? format.duration(figures.longest_silence_s) : "–"],
          [t("admin.pending"), format.number(figures.pending_deliveries)],
        ]}
      />
    </section>
  );
}

function Health() {
  const { t } = useTranslation();
  const found = useQuery(health);
  return (
    <section className="card stack" aria-labelledby="health">
      <h2 id="health">{t("admin.health")}</h2>
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      <ul>
        {Object.entries(found.data?.parts ?? {}).map(([name, part]) => (
          <li key={name} className={styles.item}>
            <span className={styles.text}>
              {name}
              {part.detail && <span className="quiet small">{part.detail}</span>}
            </span>
            <Badge tone={part.status === "ok" ? "good" : "bad"}>{t(part.status === "ok" ? "admin.ok" : "admin.notOk")}</Badge>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Storage({ figures }: { figures: Schemas["Overview"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const backup = (what: string) => {
    const at = figures.backups[what];
    return at === undefined ? t("admin.noBackup") : format.moment(at);
  };
  return (
    <section className="card stack" aria-labelledby="storage">
      <h2 id="storage">{t("admin.storage")}</h2>
      {figures.lost_photographs > 0 && <Notice tone="bad" title={t("admin.lost", { count: figures.lost_photographs })} />}
      <Facts
        facts={[
          [t("admin.photographs"), format.bytes(figures.photograph_bytes)],
          [t("admin.results"), format.bytes(figures.result_bytes)],
          [t("admin.users"), format.number(figures.users)],
          [t("admin.near"), format.number(figures.users_near_quota)],
          [t("admin.backup"), backup("made")],
          [t("admin.verified"), backup("verified")],
        ]}
      />
      <h3>{t("admin.most")}</h3>
      <ul>
        {figures.most.map((user) => (
          <li key={user.user_id} className={styles.block}>
            <div className="row spread">
              <bdi className={styles.long}>{user.email}</bdi>
              <span className="quiet small numbers">
                {t("account.stored", { stored: format.bytes(user.stored_bytes), quota: format.bytes(user.quota_bytes) })}
              </span>
            </div>
            <Progress label={user.email} share={user.quota_bytes > 0 ? Math.min(1, user.stored_bytes / user.quota_bytes) : 1} />
          </li>
        ))}
      </ul>
    </section>
  );
}
