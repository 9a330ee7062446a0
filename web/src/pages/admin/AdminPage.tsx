import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";

import { uiStyles } from "../../ui";
import { AuditLog } from "./AuditLog";
import { JobsOfAll } from "./JobsOfAll";
import { OverviewPanel } from "./OverviewPanel";
import { Users } from "./Users";

const PANELS = { overview: OverviewPanel, jobs: JobsOfAll, users: Users, audit: AuditLog };
type Panel = keyof typeof PANELS;

/** The service for those who run it; the address names the panel. */
export default function AdminPage() {
  const { t } = useTranslation();
  const [query, setQuery] = useSearchParams();
  const asked = query.get("show") ?? "overview";
  return (
    <>
      <h1>{t("admin.title")}</h1>
      <Tabs className="stack" selectedKey={asked in PANELS ? asked : "overview"} onSelectionChange={(key) => setQuery({ show: String(key) }, { replace: true })}>
        <TabList className={uiStyles.toggles ?? ""} aria-label={t("admin.title")}>
          {Object.keys(PANELS).map((each) => (
            <Tab key={each} id={each} className={uiStyles.toggle ?? ""}>
              {t(`admin.${each as Panel}`)}
            </Tab>
          ))}
        </TabList>
        {Object.entries(PANELS).map(([name, Content]) => (
          <TabPanel key={name} id={name} className="stack">
            <Content />
          </TabPanel>
        ))}
      </Tabs>
    </>
  );
}
