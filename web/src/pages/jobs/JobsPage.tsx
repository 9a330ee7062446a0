import { useTranslation } from "react-i18next";

import { JobList } from "./JobList";

export function JobsPage() {
  const { t } = useTranslation();
  return (
    <>
      <h1>{t("jobs.title")}</h1>
      <JobList />
    </>
  );
}
