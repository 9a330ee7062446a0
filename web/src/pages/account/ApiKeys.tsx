import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Button, Confirm, Form, ProblemNotice, Secret, TextField } from "../../ui";
import styles from "../panels.module.css";
import { accountKeys, apiKeys } from "./queries";

type Scope = Schemas["NewApiKey"]["scopes"][number];

/** Keys with which programs call the service: made, shown once, revoked. */
export function ApiKeys({ admin }: { admin: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const found = useQuery(apiKeys);
  const refresh = () => queries.invalidateQueries({ queryKey: accountKeys.apiKeys });
  const revoke = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/v1/api-keys/{key_id}", { params: { path: { key_id: id } } })),
    onSettled: refresh,
  });
  const error = found.error ?? revoke.error;
  return (
    <section className="card stack" aria-labelledby="keys">
      <h2 id="keys">{t("account.keys")}</h2>
      <NewKey admin={admin} onMade={() => void refresh()} />
      {error && <ProblemNotice error={error} />}
      <ul>
        {found.data?.map((key) => (
          <li key={key.id} className={styles.item}>
            <div className={styles.text}>
              <bdi>{key.name}</bdi>
              <span className="quiet small numbers">
                <code>{key.prefix}…</code> · {key.scopes.join(", ")} ·{" "}
                {key.last_used_at ? t("account.used", { when: format.moment(key.last_used_at) }) : t("account.neverUsed")}
                {key.expires_at && ` · ${t("share.until", { when: format.moment(key.expires_at) })}`}
              </span>
            </div>
            <Confirm trigger={t("account.revoke")} title={t("account.revokeTitle", { name: key.name })} text={t("account.revokeText")} confirm={t("account.revoke")} onConfirm={() => revoke.mutate(key.id)} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function NewKey({ admin, onMade }: { admin: boolean; onMade: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [level, setLevel] = useState<Scope>("write");
  const scopes: Scope[] = level === "read" ? ["read"] : level === "write" ? ["read", "write"] : ["read", "write", "admin"];
  const make = useMutation({
    mutationFn: () => take(api.POST("/v1/api-keys", { body: { name, scopes } })),
    onSuccess() {
      setName("");
      onMade();
    },
  });
  return (
    <Form className="stack" onSubmit={() => make.mutate()}>
      <div className={styles.inline}>
        <TextField label={t("account.keyName")} value={name} onChange={setName} maxLength={200} isRequired />
        <label className={styles.field}>
          {t("account.may")}
          <select className={styles.select} value={level} onChange={(event) => setLevel(event.target.value as Scope)}>
            {(["read", "write", ...(admin ? (["admin"] as const) : [])] as const).map((each) => (
              <option key={each} value={each}>
                {t(`account.${each}`)}
              </option>
            ))}
          </select>
        </label>
        <Button type="submit" isDisabled={make.isPending}>
          {t("account.makeKey")}
        </Button>
      </div>
      {make.error && <ProblemNotice error={make.error} />}
      {make.data && <Secret label={t("account.newKey")} text={make.data.key} />}
    </Form>
  );
}
