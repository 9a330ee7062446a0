import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { api, take } from "../../api/client";
import { Button, Form, ProblemNotice, Secret, TextField } from "../../ui";
import styles from "../panels.module.css";
import { adminKeys } from "./queries";

const PASSWORD_BYTES = 15;

/** An account with a password that is shown this once, for its owner to change. */
export function NewUser() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const make = useMutation({
    async mutationFn() {
      const password = randomPassword();
      const user = await take(api.POST("/v1/users", { body: { email, password, name: "", role: "user" } }));
      return { user, password };
    },
    onSuccess() {
      setEmail("");
      void queries.invalidateQueries({ queryKey: adminKeys.users });
    },
  });
  return (
    <Form className="stack" onSubmit={() => make.mutate()}>
      <div className={styles.inline}>
        <TextField label={t("admin.newEmail")} type="email" autoComplete="off" value={email} onChange={setEmail} isRequired />
        <Button type="submit" isDisabled={make.isPending}>
          {t("admin.newUser")}
        </Button>
      </div>
      {make.error && <ProblemNotice error={make.error} />}
      {make.data && <Secret label={t("admin.newPassword", { email: make.data.user.email })} text={make.data.password} />}
    </Form>
  );
}

function randomPassword(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(PASSWORD_BYTES));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
