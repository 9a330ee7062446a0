import { useTranslation } from "react-i18next";

import styles from "./capture.module.css";
import { counted, SECTORS, type Heading } from "./heading";

const [INNER, OUTER] = [33, 44];
const STEP = 360 / SECTORS;

/** From which sides photographs were taken, and where the camera looks now: up is where it looks. */
export function Ring({ headings, heading }: { headings: readonly Heading[]; heading: Heading }) {
  const { t } = useTranslation();
  const counts = counted(headings);
  const done = counts.filter((each) => each > 0).length;
  return (
    <svg className={styles.ring} viewBox="-50 -50 100 100" role="img" aria-label={t("capture.ring", { done, all: SECTORS })}>
      <g transform={`rotate(${-heading.yaw_deg})`}>
        {counts.map((count, sector) => (
          <path key={sector} d={arc(sector * STEP + 1, (sector + 1) * STEP - 1)} className={count > 0 ? styles.taken : styles.missing} />
        ))}
      </g>
      <path className={styles.needle} d="M0 -48 l5 9 h-10z" />
      <text className={styles.share} textAnchor="middle" dy="0.35em">
        {done}/{SECTORS}
      </text>
    </svg>
  );
}

function arc(from_deg: number, to_deg: number): string {
  const at = (degrees: number, radius: number) => {
    const angle = (degrees * Math.PI) / 180;
    return `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;
  };
  return `M${at(from_deg, OUTER)} A${OUTER} ${OUTER} 0 0 1 ${at(to_deg, OUTER)} L${at(to_deg, INNER)} A${INNER} ${INNER} 0 0 0 ${at(from_deg, INNER)}z`;
}
