import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";

import { api, download, take, type Schemas } from "../../api/client";
import { useFormat } from "../../i18n/format";
import { Button, ProblemNotice } from "../../ui";
import styles from "./job.module.css";

const LINK_S = 600;
const CONTENTS = "tiles/tree/"; // of a tileset, of use only together

/** The files of a job, each by a signed address that lasts for minutes. */
export function Downloads({ jobId, results, ended }: { jobId: string; results: readonly Schemas["Result"][]; ended: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const one = useMutation({
    async mutationFn(path: string) {
      const body = { paths: [path], expires_in_s: LINK_S };
      const links = await take(api.POST("/v1/jobs/{job_id}/result-links", { params: { path: { job_id: jobId } }, body }));
      const [link] = links.items;
      if (link) leadTo(here(link.url), path);
    },
  });
  const all = useMutation({
    async mutationFn() {
      const content = await download(`/v1/jobs/${jobId}/archive`, new AbortController().signal);
      const url = URL.createObjectURL(content);
      leadTo(url, `${jobId}.zip`);
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
  });
  return (
    <section className="card stack" aria-labelledby="downloads">
      <div className="row spread">
        <h2 id="downloads">{t("job.downloads")}</h2>
        {ended && results.length > 0 && (
          <Button isDisabled={all.isPending} onPress={() => all.mutate()}>
            {t("job.all")}
          </Button>
        )}
      </div>
      {results.length === 0 && <p className="quiet">{t("job.noResults")}</p>}
      <ul>
        {results.filter(({ path }) => !path.startsWith(CONTENTS)).map((result) => (
          <li key={result.path} className={styles.file}>
            <button type="button" className={styles.fileLink} aria-label={t("job.download", { name: result.path })} onClick={() => one.mutate(result.path)}>
              <bdi>{result.path}</bdi>
            </button>
            <span className="quiet small numbers">{format.bytes(result.bytes)}</span>
          </li>
        ))}
      </ul>
      {(one.error ?? all.error) && <ProblemNotice error={one.error ?? all.error} />}
    </section>
  );
}

/** A signed address of this service, at the address that the page has: behind a proxy the service may not know it. */
function here(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname.startsWith("/v1/downloads/") ? pathname + search : url;
}

function leadTo(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name.split("/").at(-1) ?? name;
  link.click();
}
