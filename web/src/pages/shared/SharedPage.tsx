import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import { Form } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";

import { noteOf, type Notes } from "../../annotations/notes";
import type { Schemas } from "../../api/client";
import { asProblem, problemOf } from "../../api/problem";
import icon from "../../app/icon.svg";
import { Preferences } from "../../app/Preferences";
import { Button, Empty, Loading, Notice, ProblemNotice, TextField } from "../../ui";
import { sourceOfShare } from "../../viewer/source";
import { InRoom } from "./InRoom";
import styles from "./shared.module.css";

const Viewer = lazy(() => import("../../viewer/Viewer"));

/** A model that somebody shares: to be turned by whoever has the address, without an account. */
export function SharedPage() {
  const { token = "" } = useParams();
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  const headers = useMemo(() => headersOf(password), [password]);
  const model = useQuery({
    queryKey: ["shared", token, password],
    queryFn: ({ signal }) => fetchShared(token, headers, signal),
    staleTime: Infinity,
  });
  const problem = model.error ? asProblem(model.error) : null;
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <h1>
          <bdi>{model.data?.name || t("shared.title")}</bdi>
        </h1>
        <Preferences />
      </header>
      <main className={styles.main}>
        {model.isPending && <Loading />}
        {problem?.code === "share-password" && <PasswordForm wrong={password !== ""} onPassword={setPassword} />}
        {problem?.code === "share-missing" && <Notice tone="doubt" title={t("shared.missing")} />}
        {problem && !["share-password", "share-missing"].includes(problem.code) && (
          <ProblemNotice error={problem} onRetry={() => void model.refetch()} />
        )}
        {model.data && <Model token={token} headers={headers} model={model.data} />}
      </main>
      <footer className={`quiet small ${styles.footer}`}>
        <img src={icon} alt="" width="18" height="18" /> {t("shared.made")}
      </footer>
    </div>
  );
}

function Model({ token, headers, model }: { token: string; headers: Record<string, string>; model: Schemas["SharedModel"] }) {
  const { t } = useTranslation();
  const source = useMemo(() => sourceOfShare(token, headers, model), [token, headers, model]);
  const notes = useMemo(() => notesOf(model), [model]);
  if (model.results.length === 0) return <Empty>{t("shared.empty")}</Empty>;
  return (
    <>
      <Suspense fallback={<Loading />}>
        <Viewer source={source} name={model.name || t("shared.title")} setId={null} results={model.results} notes={notes} />
      </Suspense>
      <div className={styles.room}>
        <InRoom source={source} model={model} locked={Object.keys(headers).length > 0} />
      </div>
    </>
  );
}

function PasswordForm({ wrong, onPassword }: { wrong: boolean; onPassword: (password: string) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  return (
    <Form
      className={`card stack ${styles.form}`}
      onSubmit={(event) => {
        event.preventDefault();
        onPassword(typed);
      }}
    >
      <p>{t("shared.locked")}</p>
      <TextField label={t("shared.password")} type="password" autoComplete="off" value={typed} onChange={setTyped} isRequired />
      {wrong && <Notice tone="bad" title={t("shared.wrong")} />}
      <Button type="submit" kind="primary">
        {t("shared.open")}
      </Button>
    </Form>
  );
}

function notesOf({ annotations = [] }: Schemas["SharedModel"]): Notes {
  return { items: annotations.map((each, index) => noteOf({ ...each, id: String(index) })), error: null, editing: null };
}

async function fetchShared(token: string, headers: Record<string, string>, signal: AbortSignal): Promise<Schemas["SharedModel"]> {
  const answer = await fetch(`/v1/shared/${encodeURIComponent(token)}`, { headers, signal });
  const body: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw problemOf(body, answer.status);
  return body as Schemas["SharedModel"];
}

function headersOf(password: string): Record<string, string> {
  return password === "" ? {} : { "X-E2E3D-Share-Password": encodeURIComponent(password) };
}
