import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Badge, Button, Confirm, Form, ProblemNotice, Secret, TextField, type Tone } from "../../ui";
import styles from "../panels.module.css";
import { accountKeys, deliveries, webhooks } from "./queries";

const TONES: Record<string, Tone> = { delivered: "good", failed: "bad", pending: "plain" };

/** Addresses that hear of one's jobs, with what each was sent. */
export function Webhooks() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const found = useQuery(webhooks);
  const [url, setUrl] = useState("");
  const make = useMutation({
    mutationFn: () => take(api.POST("/v1/webhooks", { body: { url, event_types: [] } })),
    onSuccess() {
      setUrl("");
      void queries.invalidateQueries({ queryKey: accountKeys.webhooks });
    },
  });
  const error = found.error ?? make.error;
  return (
    <section className="card stack" aria-labelledby="webhooks">
      <h2 id="webhooks">{t("account.webhooks")}</h2>
      <Form className={styles.inline} onSubmit={() => make.mutate()}>
        <TextField label={t("account.url")} type="url" value={url} onChange={setUrl} placeholder="https://" maxLength={2048} isRequired />
        <Button type="submit" isDisabled={make.isPending}>
          {t("account.addWebhook")}
        </Button>
      </Form>
      {error && <ProblemNotice error={error} />}
      {make.data && <Secret label={t("account.secret")} text={make.data.secret} />}
      <ul>
        {found.data?.map((webhook) => (
          <WebhookItem key={webhook.id} webhook={webhook} />
        ))}
      </ul>
    </section>
  );
}

function WebhookItem({ webhook }: { webhook: Schemas["Webhook"] }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const params = { path: { webhook_id: webhook.id } };
  const refresh = () => queries.invalidateQueries({ queryKey: accountKeys.webhooks });
  const ping = useMutation({ mutationFn: () => take(api.POST("/v1/webhooks/{webhook_id}/ping", { params })), onSettled: refresh });
  const remove = useMutation({ mutationFn: () => take(api.DELETE("/v1/webhooks/{webhook_id}", { params })), onSettled: refresh });
  const enable = useMutation({
    mutationFn: () => take(api.PATCH("/v1/webhooks/{webhook_id}", { params, body: { enabled: !webhook.enabled } })),
    onSettled: refresh,
  });
  const error = ping.error ?? remove.error ?? enable.error;
  return (
    <li className={styles.block}>
      <span className={styles.long}>
        <bdi>{webhook.url}</bdi> {!webhook.enabled && <Badge tone="doubt">{t("account.off")}</Badge>}
      </span>
      <div className="row">
        <Button aria-expanded={open} onPress={() => setOpen(!open)}>
          {t("account.deliveries")}
        </Button>
        <Button isDisabled={ping.isPending} onPress={() => ping.mutate(undefined, { onSuccess: () => setOpen(true) })}>
          {t("account.ping")}
        </Button>
        <Button onPress={() => enable.mutate()}>{t(webhook.enabled ? "account.switchOff" : "account.switchOn")}</Button>
        <Confirm trigger={t("job.delete")} title={t("account.deleteWebhook")} text={webhook.url} confirm={t("job.delete")} onConfirm={() => remove.mutate()} />
      </div>
      {error && <ProblemNotice error={error} />}
      {open && <Deliveries webhookId={webhook.id} />}
    </li>
  );
}

function Deliveries({ webhookId }: { webhookId: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const queries = useQueryClient();
  const found = useInfiniteQuery({ ...deliveries(webhookId), refetchInterval: 5_000 });
  const again = useMutation({
    mutationFn: (id: string) => take(api.POST("/v1/webhook-deliveries/{delivery_id}/replay", { params: { path: { delivery_id: id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: accountKeys.deliveries(webhookId) }),
  });
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  const error = found.error ?? again.error;
  return (
    <>
      {error && <ProblemNotice error={error} />}
      {found.isSuccess && items.length === 0 && <p className="quiet small">{t("account.noDeliveries")}</p>}
      <ul>
        {items.map((each) => (
          <li key={each.id} className={styles.item}>
            <div className={styles.text}>
              <span className="row">
                <code>{each.event_type}</code> <Badge tone={TONES[each.state] ?? "plain"}>{t(`delivery.${each.state as "failed"}`)}</Badge>
              </span>
              <span className="quiet small numbers">
                {[format.moment(each.created_at), t("account.attempts", { count: each.attempts }), each.status_code, each.response].filter((part) => part !== null && part !== "").join(" · ")}
              </span>
            </div>
            <Button isDisabled={again.isPending} onPress={() => again.mutate(each.id)}>
              {t("account.again")}
            </Button>
          </li>
        ))}
      </ul>
      {found.hasNextPage && <Button onPress={() => void found.fetchNextPage()}>{t("app.more")}</Button>}
    </>
  );
}
