import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, take } from "../../api/client";
import { Button, Form, Notice, ProblemNotice, TextField } from "../../ui";
import { accountKeys } from "./queries";

/** Another password, which ends all other logins. */
export function Password() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useMutation({
    mutationFn: () => take(api.PUT("/v1/me/password", { body: { current_password: current, new_password: next } })),
    onSuccess() {
      setCurrent("");
      setNext("");
      void queries.invalidateQueries({ queryKey: accountKeys.sessions });
    },
  });
  return (
    <section className="card stack" aria-labelledby="password">
      <h2 id="password">{t("account.password")}</h2>
      <Form className="stack" onSubmit={() => change.mutate()}>
        <TextField label={t("account.current")} type="password" autoComplete="current-password" value={current} onChange={setCurrent} isRequired />
        <TextField label={t("account.next")} hint={t("account.nextHint")} type="password" autoComplete="new-password" minLength={10} maxLength={256} value={next} onChange={setNext} isRequired />
        {change.error && <ProblemNotice error={change.error} />}
        {change.isSuccess && <Notice tone="good" title={t("account.changed")} />}
        <div>
          <Button type="submit" isDisabled={change.isPending}>
            {t("account.change")}
          </Button>
        </div>
      </Form>
    </section>
  );
}
