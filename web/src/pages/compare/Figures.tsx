import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { manifest, type Manifest } from "../../api/manifest";
import { useFormat } from "../../i18n/format";
import styles from "./compare.module.css";
import { differencesOf } from "./differences";

type Job = Schemas["JobView"];

/** What was different between two jobs, and the figures of what they made. */
export function Figures({ jobs: [first, second] }: { jobs: [Job, Job] }) {
  const { t } = useTranslation();
  const a = useQuery(manifest(first.id)).data;
  const b = useQuery(manifest(second.id)).data;
  const rows = useRows();
  const differences = differencesOf(first, second);
  const names = [first.name || first.id, second.name || second.id] as const;
  return (
    <section className="card stack" aria-labelledby="figures">
      <h2 id="figures">{t("compare.figures")}</h2>
      <Table caption={t("compare.figures")} names={names} rows={rows([first, second], [a, b])} />
      <h2>{t("compare.settings")}</h2>
      {differences.length === 0 ? (
        <p className="quiet">{t("compare.same")}</p>
      ) : (
        <Table caption={t("compare.settings")} names={names} rows={differences.map(({ name, values }) => [name, ...values])} />
      )}
    </section>
  );
}

function Table({ caption, names, rows }: { caption: string; names: readonly [string, string]; rows: [string, string, string][] }) {
  const { t } = useTranslation();
  return (
    <div className={styles.scroll} tabIndex={0} role="group" aria-label={caption}>
      <table className={`numbers ${styles.table}`}>
        <thead>
          <tr>
            <td />
            {names.map((name, index) => (
              <th key={index} scope="col">
                <span className="hidden">{t(index === 0 ? "compare.first" : "compare.second")}: </span>
                <bdi>{name}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, ...values]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {values.map((value, index) => (
                <td key={index}>{value}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function useRows() {
  const { t } = useTranslation();
  const format = useFormat();
  const verdict = (job: Job) => (job.judgement?.verdict === "doubtful" ? t("job.doubtful") : t("job.good"));
  const took = (job: Job) =>
    job.started_at && job.finished_at ? format.duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000) : "–";
  const counted = (found: Manifest | undefined, name: keyof Manifest["counts"]) => (found ? format.precise(found.counts[name]) : "–");
  const whole = (found: Manifest | undefined, name: keyof Manifest["counts"]) => (found ? format.number(found.counts[name]) : "–");
  return (jobs: [Job, Job], found: [Manifest | undefined, Manifest | undefined]): [string, string, string][] => {
    const row = (label: string, value: (job: Job, of: Manifest | undefined) => string): [string, string, string] => [
      label,
      value(jobs[0], found[0]),
      value(jobs[1], found[1]),
    ];
    return [
      row(t("compare.verdict"), verdict),
      row(t("form.quality"), (job) => t(`form.${job.quality as "medium"}`)),
      row(t("figures.registered"), (_, of) => (of ? t("figures.ofAll", { count: of.counts.registered, all: of.counts.photographs }) : "–")),
      row(t("figures.error"), (_, of) => t("figures.px", { value: counted(of, "mean_error_px") })),
      row(t("figures.points"), (_, of) => whole(of, "dense_points")),
      row(t("figures.faces"), (_, of) => whole(of, "faces")),
      row(t("compare.took"), took),
      row(t("compare.size"), (job) => format.bytes(job.result_bytes)),
    ];
  };
}
