import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { keys, shares } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Button, Confirm, Form, ProblemNotice, TextField, uiStyles } from "../../ui";
import styles from "./job.module.css";

const DAYS = [1, 7, 30, 365] as const;

/** Addresses by which others turn the model: made, copied, withdrawn. */
export function Sharing({ jobId }: { jobId: string }) {
  const { t } = useTranslation();
  const found = useQuery(shares(jobId));
  return (
    <section className="card stack" aria-labelledby="sharing">
      <h2 id="sharing">{t("share.title")}</h2>
      <NewShare jobId={jobId} />
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      <ul>
        {found.data?.map((share) => (
          <ShareItem key={share.id} share={share} />
        ))}
      </ul>
    </section>
  );
}

function NewShare({ jobId }: { jobId: string }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [days, setDays] = useState("30");
  const [password, setPassword] = useState("");
  const make = useMutation({
    mutationFn: () => {
      const body = { expires_in_days: days === "" ? null : Number(days), password: password || null };
      return take(api.POST("/v1/jobs/{job_id}/shares", { params: { path: { job_id: jobId } }, body }));
    },
    onSuccess() {
      setPassword("");
      void queries.invalidateQueries({ queryKey: keys.shares(jobId) });
    },
  });
  return (
    <Form className="stack" onSubmit={() => make.mutate()}>
      <p className="quiet small">{t("share.text")}</p>
      <label className={uiStyles.field}>
        {t("share.days")}
        <select className={uiStyles.input} value={days} onChange={(event) => setDays(event.target.value)}>
          {DAYS.map((each) => (
            <option key={each} value={each}>
              {t("share.forDays", { count: each })}
            </option>
          ))}
          <option value="">{t("share.forever")}</option>
        </select>
      </label>
      <TextField label={t("share.password")} type="password" autoComplete="new-password" value={password} onChange={setPassword} maxLength={256} />
      {make.error && <ProblemNotice error={make.error} />}
      <div>
        <Button type="submit" kind="primary" isDisabled={make.isPending}>
          {t("share.make")}
        </Button>
      </div>
    </Form>
  );
}

function ShareItem({ share }: { share: Schemas["Share"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const withdraw = useMutation({
    mutationFn: () => take(api.DELETE("/v1/shares/{share_id}", { params: { path: { share_id: share.id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.shares(share.job_id) }),
  });
  const address = here(share.url);
  return (
    <li className={`stack ${styles.share}`}>
      <a className={styles.address} href={address} target="_blank" rel="noreferrer">
        {address}
      </a>
      <span className="quiet small">
        {share.expires_at ? t("share.until", { when: format.moment(share.expires_at) }) : t("share.forever")}
        {share.has_password && ` · ${t("share.locked")}`}
      </span>
      {withdraw.error && <ProblemNotice error={withdraw.error} />}
      <div className="row">
        <CopyButton text={address}>{t("share.copy")}</CopyButton>
        <CopyButton text={`<iframe src="${address}" width="800" height="600" allow="fullscreen" title="E2E3D"></iframe>`}>{t("share.embed")}</CopyButton>
        <Confirm trigger={t("share.withdraw")} title={t("share.withdrawTitle")} text={t("share.withdrawText")} confirm={t("share.withdraw")} onConfirm={() => withdraw.mutate()} />
      </div>
    </li>
  );
}

function CopyButton({ text, children }: { text: string; children: string }) {
  const { t } = useTranslation();
  const copy = useMutation({ mutationFn: () => navigator.clipboard.writeText(text) });
  return <Button onPress={() => copy.mutate()}>{copy.isSuccess ? t("share.copied") : children}</Button>;
}

/** The address at the place that the page has: behind a proxy the service may not know it. */
function here(url: string): string {
  return location.origin + new URL(url).pathname;
}
