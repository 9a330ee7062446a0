import { Button as PlainButton } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { useFormat } from "../i18n/format";
import { Button, Progress } from "../ui";
import { FindingText } from "./FindingText";
import { useUploads, useUploadsOf } from "./context";
import type { UploadEntry } from "./queue";
import styles from "./uploads.module.css";

/** The files on their way into a set, and what came of them. */
export function UploadList({ setId }: { setId: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queue = useUploads();
  const entries = useUploadsOf(setId);
  if (entries.length === 0) return null;
  const done = entries.filter((entry) => entry.state === "done");
  const all = total(entries, (entry) => entry.bytes);
  const sent = total(entries, (entry) => (entry.state === "done" ? entry.bytes : entry.sent));
  const text = t("set.uploaded", { done: done.length, total: entries.length, bytes: format.bytes(sent), all: format.bytes(all) });
  const open = entries.filter((entry) => entry.state !== "done" || (entry.outcome?.remarks.length ?? 0) > 0);
  return (
    <section className="card stack" aria-labelledby="uploads">
      <div className="row spread">
        <h2 id="uploads">{t("set.uploads")}</h2>
        {done.length > 0 && <Button onPress={() => queue.clearDone(setId)}>{t("set.clear")}</Button>}
      </div>
      <Progress label={t("set.uploads")} share={all > 0 ? sent / all : 1} text={text} />
      <p className="quiet small numbers">{text}</p>
      {open.length > 0 && (
        <ul className={styles.list} tabIndex={0} aria-labelledby="uploads">
          {open.map((entry) => (
            <UploadItem key={entry.key} entry={entry} />
          ))}
        </ul>
      )}
    </section>
  );
}

function UploadItem({ entry }: { entry: UploadEntry }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queue = useUploads();
  const share = entry.bytes > 0 ? entry.sent / entry.bytes : 1;
  const state = entry.state === "sending" ? format.percent(share) : t(`set.${entry.problem && entry.state === "waiting" ? "retrying" : entry.state}`);
  const failure = entry.problem?.detail || entry.outcome?.error?.detail;
  return (
    <li className={styles.item}>
      <span className={styles.name}>
        <bdi>{entry.name}</bdi>
      </span>
      <span className="quiet small numbers">{state}</span>
      <PlainButton className={styles.close ?? ""} aria-label={t("set.remove", { name: entry.name })} onPress={() => queue.remove(entry.key)}>
        ×
      </PlainButton>
      {entry.state === "failed" && failure && <span className={styles.failure}>{failure}</span>}
      {entry.outcome?.remarks.map((remark, index) => (
        <span key={index} className={styles.remarks}>
          {remark.name !== entry.name && <bdi>{remark.name}: </bdi>}
          {(remark.findings ?? []).map((finding) => (
            <FindingText key={finding.code} finding={finding} />
          ))}
        </span>
      ))}
    </li>
  );
}

function total(entries: UploadEntry[], of: (entry: UploadEntry) => number): number {
  return entries.reduce((sum, entry) => sum + of(entry), 0);
}
