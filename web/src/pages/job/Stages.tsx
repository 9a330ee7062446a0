import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { stageName } from "../stages";
import styles from "./job.module.css";

/** What was done so far, how long it took, and what was used again. */
export function Stages({ job }: { job: Schemas["JobDetail"] }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (job.stages.length === 0) return null;
  return (
    <section className="card stack" aria-labelledby="stages">
      <h2 id="stages">{t("job.stages")}</h2>
      <ul>
        {job.stages.map((stage) => (
          <li key={`${stage.attempt} ${stage.stage}`} className={styles.file}>
            <span>{stageName(t, stage.stage)}</span>
            <span className="quiet small numbers">
              {stage.reused_units > 0 && `${t("job.reused", { count: stage.reused_units })} · `}
              {format.duration(stage.elapsed_s)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
