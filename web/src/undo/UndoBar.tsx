import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { Button, ProblemNotice } from "../ui";
import { useDeletions } from "./context";
import styles from "./undo.module.css";

/** What is about to be deleted, with the way back; what could not be deleted, with the reason. */
export function UndoBar() {
  const { t } = useTranslation();
  const [deletions, { waiting, failed }] = useDeletions();
  useEffect(() => {
    const leave = () => void deletions.commitAll(true);
    addEventListener("pagehide", leave);
    return () => removeEventListener("pagehide", leave);
  }, [deletions]);
  return (
    <div className={styles.bar} role="status" aria-live="polite">
      {waiting.map(({ id, name }) => (
        <div key={id} className={styles.item}>
          <span className={styles.text}>{t("undo.deleted", { name })}</span>
          <Button onPress={() => deletions.takeBack(id)}>{t("undo.undo")}</Button>
        </div>
      ))}
      {failed.map(({ deletion, error }) => (
        <div key={deletion.id} className={styles.failed}>
          <ProblemNotice error={error} />
          <Button onPress={() => deletions.dismiss(deletion.id)}>{t("app.close")}</Button>
        </div>
      ))}
    </div>
  );
}
