import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useFormat } from "../../i18n/format";
import { Button, Empty, ProblemNotice, TextField } from "../../ui";
import styles from "../panels.module.css";
import { useSettled } from "../job/useSettled";
import { audit } from "./queries";

const ACTION = /^[a-z.-]*$/;
const SETTLED_MS = 400;

/** Who did what, the newest first. */
export function AuditLog() {
  const { t } = useTranslation();
  const format = useFormat();
  const [action, setAction] = useState("");
  const settled = useSettled(ACTION.test(action) ? action : "", SETTLED_MS);
  const found = useInfiniteQuery(audit(settled));
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="card stack" aria-label={t("admin.audit")}>
      <TextField label={t("admin.action")} placeholder="job.submit" value={action} onChange={setAction} maxLength={64} />
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      {found.isSuccess && items.length === 0 && <Empty>{t("admin.none")}</Empty>}
      <ul>
        {items.map((entry) => (
          <li key={entry.id} className={styles.item}>
            <div className={styles.text}>
              <code>{entry.action}</code>
              <span className="quiet small numbers">
                {[format.moment(entry.at), entry.address, entry.user_id && t("admin.by", { user: entry.user_id }), entry.resource_type && `${entry.resource_type} ${entry.resource_id ?? ""}`]
                  .filter(Boolean)
                  .join(" · ")}
              </span>
              {Object.keys(entry.detail).length > 0 && <code className="quiet small">{JSON.stringify(entry.detail)}</code>}
            </div>
          </li>
        ))}
      </ul>
      {found.hasNextPage && <Button onPress={() => void found.fetchNextPage()}>{t("app.more")}</Button>}
    </section>
  );
}
