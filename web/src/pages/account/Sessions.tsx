import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, take } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Badge, Button, ProblemNotice } from "../../ui";
import styles from "../panels.module.css";
import { accountKeys, sessions } from "./queries";

/** Where somebody is signed in, and a way to end that. */
export function Sessions() {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const found = useQuery(sessions);
  const end = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/v1/me/sessions/{session_id}", { params: { path: { session_id: id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: accountKeys.sessions }),
  });
  const error = found.error ?? end.error;
  return (
    <section className="card stack" aria-labelledby="sessions">
      <h2 id="sessions">{t("account.sessions")}</h2>
      {error && <ProblemNotice error={error} />}
      <ul>
        {found.data?.map((each) => (
          <li key={each.id} className={styles.item}>
            <div className={styles.text}>
              <span className="row">
                {each.address ?? t("account.somewhere")} {each.current && <Badge tone="good">{t("account.thisOne")}</Badge>}
              </span>
              <span className="quiet small numbers">
                {t("account.began", { when: format.moment(each.began_at) })} · {t("account.renewed", { when: format.moment(each.renewed_at) })}
              </span>
            </div>
            {!each.current && (
              <Button kind="danger" isDisabled={end.isPending} onPress={() => end.mutate(each.id)}>
                {t("account.end")}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
