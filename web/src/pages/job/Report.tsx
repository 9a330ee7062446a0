import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { manifest, type Manifest, type PhotoState } from "../../api/manifest";
import { useFormat } from "../../i18n/format";
import { Facts, Loading, Notice, ProblemNotice } from "../../ui";
import styles from "./job.module.css";
import { WholeReport } from "./WholeReport";

/** What came of the photographs, why some were left out, and what to do better. */
export function Report({ jobId, results }: { jobId: string; results: readonly Schemas["Result"][] }) {
  const { t } = useTranslation();
  const there = (path: string) => results.some((result) => result.path === path);
  const found = useQuery({ ...manifest(jobId), enabled: there("manifest.json") });
  if (!there("manifest.json")) return null;
  return (
    <section className="card stack" aria-labelledby="report">
      <div className="row spread">
        <h2 id="report">{t("report.title")}</h2>
        {there("report.html") && <WholeReport jobId={jobId} />}
      </div>
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.data && <Figures found={found.data} />}
      {found.data && <Photographs photographs={found.data.photographs} />}
    </section>
  );
}

function Figures({ found }: { found: Manifest }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { counts } = found;
  const facts: [string, string][] = [
    [t("figures.registered"), t("figures.ofAll", { count: counts.registered, all: counts.photographs })],
    [t("figures.error"), t("figures.px", { value: format.precise(counts.mean_error_px) })],
    [t("figures.points"), format.number(counts.dense_points)],
    [t("figures.faces"), format.number(counts.faces)],
    [t("figures.took"), format.duration(found.elapsed_s)],
    [t("figures.frame"), t(`figures.${found.frame as "metric"}`)],
  ];
  return (
    <>
      <Facts facts={facts} />
      {found.remarks.map(({ code, message }) => (
        <p key={code} className="small">
          {message}
        </p>
      ))}
    </>
  );
}

/** Those that are not in the model first, each with its reason; then those of which something is to be said. */
function Photographs({ photographs }: { photographs: PhotoState[] }) {
  const { t } = useTranslation();
  const out = photographs.filter(({ state }) => state !== "registered");
  const remarked = photographs.filter(({ state, remarks }) => state === "registered" && remarks.length > 0);
  if (out.length === 0 && remarked.length === 0) return <Notice tone="good" title={t("report.allIn")} />;
  return (
    <>
      {out.length > 0 && <h3 className={styles.heading}>{t("report.leftOut", { count: out.length })}</h3>}
      <ul>
        {out.map((photo) => (
          <li key={photo.name} className={styles.photo} data-state={photo.state}>
            <bdi>{photo.name}</bdi>
            <span className="small">{[photo.reason, ...photo.remarks].join(" ")}</span>
          </li>
        ))}
      </ul>
      {remarked.length > 0 && <h3 className={styles.heading}>{t("report.remarked", { count: remarked.length })}</h3>}
      <ul>
        {remarked.map((photo) => (
          <li key={photo.name} className={styles.photo}>
            <bdi>{photo.name}</bdi>
            <span className="small">{photo.remarks.join(" ")}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
