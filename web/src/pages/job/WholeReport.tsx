import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { Dialog, DialogTrigger, Modal, ModalOverlay } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { report } from "../../api/manifest";
import { Button, Loading, ProblemNotice, uiStyles } from "../../ui";
import styles from "./job.module.css";
import { putReport } from "./reportDocument";

/** A button that opens the report of a job over the page. */
export function WholeReport({ jobId }: { jobId: string }) {
  const { t } = useTranslation();
  return (
    <DialogTrigger>
      <Button>{t("report.open")}</Button>
      <ModalOverlay className={uiStyles.overlay ?? ""} isDismissable>
        <Modal className={styles.report ?? ""}>
          <Dialog className={styles.reportDialog ?? ""} aria-label={t("report.title")}>
            {({ close }) => (
              <>
                <div className={styles.reportBar}>
                  <Button onPress={close}>{t("app.close")}</Button>
                </div>
                <Content jobId={jobId} />
              </>
            )}
          </Dialog>
        </Modal>
      </ModalOverlay>
    </DialogTrigger>
  );
}

function Content({ jobId }: { jobId: string }) {
  const { t } = useTranslation();
  const place = useRef<HTMLDivElement>(null);
  const found = useQuery(report(jobId));
  useEffect(() => {
    if (found.data && place.current) putReport(place.current, found.data, document.documentElement.dataset.theme);
  }, [found.data]);
  return (
    <>
      {found.isPending && <Loading />}
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      <div ref={place} className={styles.reportContent} tabIndex={0} role="document" lang="en" aria-label={t("report.title")} />
    </>
  );
}
