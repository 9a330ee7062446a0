import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { me } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Loading, Progress, ProblemNotice } from "../../ui";
import styles from "../panels.module.css";
import { ApiKeys } from "./ApiKeys";
import { Password } from "./Password";
import { Sessions } from "./Sessions";
import { Webhooks } from "./Webhooks";

/** One's own account: what is used of it, where one is signed in, and the keys and webhooks of programs. */
export default function AccountPage() {
  const { t } = useTranslation();
  const found = useQuery(me);
  if (found.isPending) return <Loading />;
  if (found.error) return <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />;
  return (
    <>
      <div>
        <h1>{t("account.title")}</h1>
        <p className="quiet">
          <bdi>{[found.data.name, found.data.email].filter(Boolean).join(" · ")}</bdi>
        </p>
      </div>
      <div className={styles.columns}>
        <div className="stack">
          <Use account={found.data} />
          <Sessions />
          <Password />
        </div>
        <div className="stack">
          <ApiKeys admin={found.data.role === "admin"} />
          <Webhooks />
        </div>
      </div>
    </>
  );
}

function Use({ account }: { account: Schemas["Me"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { quotas, stored_bytes: stored } = account;
  return (
    <section className="card stack" aria-labelledby="use">
      <h2 id="use">{t("account.use")}</h2>
      <p className="numbers">{t("account.stored", { stored: format.bytes(stored), quota: format.bytes(quotas.bytes) })}</p>
      <Progress label={t("account.use")} share={quotas.bytes > 0 ? Math.min(1, stored / quotas.bytes) : 1} />
      <p className="quiet small numbers">
        {t("account.photos", { count: quotas.photos })} · {t("account.jobs", { count: quotas.jobs })}
      </p>
    </section>
  );
}
