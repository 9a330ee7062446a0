import { useTranslation } from "react-i18next";
import { Link } from "react-router";

import { Empty } from "../ui";

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Empty>
      <h1>{t("app.notFound")}</h1>
      <Link to="/sets">{t("app.home")}</Link>
    </Empty>
  );
}
