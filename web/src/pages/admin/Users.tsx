import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, take, type Schemas } from "../../api/client";
import { me } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Badge, Button, Confirm, ProblemNotice } from "../../ui";
import styles from "../panels.module.css";
import { NewUser } from "./NewUser";
import { adminKeys, users } from "./queries";
import { QuotaForm } from "./QuotaForm";

/** All accounts: made, limited, disabled, deleted and restored. */
export function Users() {
  const { t } = useTranslation();
  const found = useInfiniteQuery(users);
  const own = useQuery(me).data?.id;
  return (
    <section className="card stack" aria-label={t("admin.users")}>
      <NewUser />
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      <ul>
        {found.data?.pages.flatMap((page) => page.items).map((user) => <UserItem key={user.id} user={user} own={user.id === own} />)}
      </ul>
      {found.hasNextPage && <Button onPress={() => void found.fetchNextPage()}>{t("app.more")}</Button>}
    </section>
  );
}

function UserItem({ user, own }: { user: Schemas["UserOut"]; own: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { change, remove, restore } = useChanges(user.id);
  const error = change.error ?? remove.error ?? restore.error;
  return (
    <li className={styles.block}>
      <div className={styles.text}>
        <span className="row">
          <bdi className={styles.long}>{user.email}</bdi>
          {user.role === "admin" && <Badge tone="plain">{t("admin.admin")}</Badge>}
          {user.disabled && <Badge tone="doubt">{t("admin.disabled")}</Badge>}
          {user.deleted_at && <Badge tone="bad">{t("admin.deleted")}</Badge>}
        </span>
        <span className="quiet small numbers">
          {[user.name, t("account.stored", { stored: format.bytes(user.stored_bytes), quota: format.bytes(user.quotas.bytes) }), t("job.made", { when: format.moment(user.created_at) }), user.purge_at && t("admin.goes", { when: format.moment(user.purge_at) })]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </div>
      <div className="row">
        {user.deleted_at ? (
          <Button isDisabled={restore.isPending} onPress={() => restore.mutate()}>
            {t("admin.restore")}
          </Button>
        ) : (
          <>
            <QuotaForm user={user} />
            {!own && (
              <>
                <Button onPress={() => change.mutate({ role: user.role === "admin" ? "user" : "admin", keep_api_keys: false })}>
                  {t(user.role === "admin" ? "admin.makeUser" : "admin.makeAdmin")}
                </Button>
                <Button onPress={() => change.mutate({ disabled: !user.disabled, keep_api_keys: false })}>{t(user.disabled ? "admin.enable" : "admin.disable")}</Button>
                <Confirm trigger={t("job.delete")} title={t("admin.deleteTitle", { name: user.email })} text={t("admin.deleteText")} confirm={t("job.delete")} onConfirm={() => remove.mutate()} />
              </>
            )}
          </>
        )}
      </div>
      {error && <ProblemNotice error={error} />}
    </li>
  );
}

function useChanges(id: string) {
  const queries = useQueryClient();
  const params = { path: { user_id: id } };
  const onSettled = () => queries.invalidateQueries({ queryKey: adminKeys.users });
  return {
    change: useMutation({ mutationFn: (body: Schemas["UserEdit"]) => take(api.PATCH("/v1/users/{user_id}", { params, body })), onSettled }),
    remove: useMutation({ mutationFn: () => take(api.DELETE("/v1/users/{user_id}", { params })), onSettled }),
    restore: useMutation({ mutationFn: () => take(api.POST("/v1/users/{user_id}/restore", { params })), onSettled }),
  };
}
