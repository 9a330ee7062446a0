import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Navigate, useLocation } from "react-router";

import type { Schemas } from "../../api/client";
import { session } from "../../api/session";
import { Preferences } from "../../app/Preferences";
import icon from "../../app/icon.svg";
import en from "../../i18n/en.json";
import { Button, buttonClass, Form, Loading, Notice, ProblemNotice, TextField } from "../../ui";
import styles from "./sign-in.module.css";

export function SignInPage() {
  const { t } = useTranslation();
  const state = useSyncExternalStore(session.subscribe, session.state);
  const from = (useLocation().state as { from?: string } | null)?.from ?? "/sets";
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const byLink = useSignInLink(setError);
  const [refusal] = useState(refusalOf);
  const ways = useQuery({ queryKey: ["sign-in-ways"], queryFn: () => waysToSignIn(), staleTime: Infinity });
  if (state === "in") return <Navigate to={from} replace />;

  const submit = () => {
    setBusy(true);
    session
      .signIn(email, password)
      .then(() => setError(null), setError)
      .finally(() => setBusy(false));
  };
  return (
    <main className={styles.page}>
      <div className={styles.box}>
        <div className="stack">
          <h1 className="row">
            <img src={icon} alt="" width="36" height="36" /> E2E3D
          </h1>
          <p className="quiet">{t("signIn.lead")}</p>
        </div>
        <Form className="card stack" onSubmit={() => submit()}>
          <h2>{t("signIn.title")}</h2>
          {byLink && <Loading />}
          <TextField label={t("signIn.email")} name="email" autoComplete="username" value={email} onChange={setEmail} isRequired />
          <TextField
            label={t("signIn.password")}
            name="password"
            type="password"
            autoComplete="current-password"
            value={password}
            onChange={setPassword}
            isRequired
          />
          {refusal && <Notice tone="bad" title={t(`signIn.refused.${refusal}`)} />}
          {error !== null && <ProblemNotice error={error} />}
          <Button type="submit" kind="primary" isDisabled={busy}>
            {t("signIn.submit")}
          </Button>
          {ways.data?.provider && (
            <a className={buttonClass()} href={`/v1/auth/oidc/begin?to=${encodeURIComponent(from)}`}>
              {t("signIn.by", { provider: ways.data.provider })}
            </a>
          )}
        </Form>
        <div className="row">
          <Preferences />
        </div>
      </div>
    </main>
  );
}

type Refusal = keyof typeof en.signIn.refused;

/** Why the organisation's provider did not sign somebody in: it stands behind the # of the address. */
function refusalOf(): Refusal | null {
  const code = location.hash.replace(/^#oidc-/, "");
  return location.hash.startsWith("#oidc-") && code in en.signIn.refused ? (code as Refusal) : null;
}

async function waysToSignIn(): Promise<Schemas["SignInWays"]> {
  const answer = await fetch("/v1/auth/oidc");
  return answer.ok ? ((await answer.json()) as Schemas["SignInWays"]) : { provider: null };
}

/** Signs in by the token behind the # of the address, which is removed from it; whether that goes on. */
function useSignInLink(onError: (error: unknown) => void): boolean {
  const [busy, setBusy] = useState(false);
  const used = useRef("");
  useEffect(() => {
    const token = location.hash.slice(1);
    if (!token.startsWith("e2l_") || used.current === token) return;
    used.current = token;
    history.replaceState(history.state, "", location.pathname);
    setBusy(true);
    session
      .signInByLink(token)
      .catch(onError)
      .finally(() => setBusy(false));
  }, [onError]);
  return busy;
}
