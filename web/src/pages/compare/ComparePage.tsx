import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams, useSearchParams } from "react-router";

import type { Schemas } from "../../api/client";
import { imageSet, jobs as jobsQuery, results as resultsQuery } from "../../api/queries";
import { useFormat } from "../../i18n/format";
import { Empty, Loading, ProblemNotice, uiStyles } from "../../ui";
import type { Cameras } from "../../viewer/formats";
import type { SceneView } from "../../viewer/SceneView";
import { sourceOfJob } from "../../viewer/source";
import styles from "./compare.module.css";
import { Figures } from "./Figures";
import { LinkedViews } from "./link";

const Viewer = lazy(() => import("../../viewer/Viewer"));

type Job = Schemas["JobView"];

/** Two models of one set beside each other: turned together, with what was different and what came of it. */
export default function ComparePage() {
  const { setId = "" } = useParams();
  const { t } = useTranslation();
  const set = useQuery(imageSet(setId));
  const found = useInfiniteQuery(jobsQuery(setId));
  const [query, setQuery] = useSearchParams();
  const [link] = useState(() => new LinkedViews());
  if (found.isPending) return <Loading />;
  if (found.error) return <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />;
  const done = found.data.pages.flatMap((page) => page.items).filter((job) => job.state === "succeeded");
  if (done.length < 2) return <Empty>{t("compare.tooFew")}</Empty>;
  const newest = done[0];
  const chosen = (name: "a" | "b", otherwise: Job | undefined) => done.find((job) => job.id === query.get(name)) ?? otherwise;
  const second = chosen("b", newest);
  const first = chosen("a", done.find((job) => job !== second));
  const choose = (name: "a" | "b", id: string) => setQuery((before) => (before.set(name, id), before), { replace: true });
  if (!first || !second) return <Empty>{t("compare.tooFew")}</Empty>;
  return (
    <>
      <div>
        <h1>{t("compare.title")}</h1>
        <p className="quiet small">
          <Link to={`/sets/${setId}`}>
            <bdi>{set.data?.name ?? t("job.photographs")}</bdi>
          </Link>
        </p>
      </div>
      <div className={styles.sides}>
        <Side key={`a ${first.id}`} index={0} link={link} job={first} jobs={done} onChoose={(id) => choose("a", id)} />
        <Side key={`b ${second.id}`} index={1} link={link} job={second} jobs={done} onChoose={(id) => choose("b", id)} />
      </div>
      <Figures jobs={[first, second]} />
    </>
  );
}

interface SideProps {
  index: 0 | 1;
  link: LinkedViews;
  job: Job;
  jobs: Job[];
  onChoose: (id: string) => void;
}

function Side({ index, link, job, jobs, onChoose }: SideProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const found = useQuery(resultsQuery(job.id));
  const source = useMemo(() => sourceOfJob(job.id), [job.id]);
  const onView = useCallback((view: SceneView | null, cameras: Cameras | null) => link.set(index, view, cameras), [link, index]);
  return (
    <section className="stack" aria-label={t(index === 0 ? "compare.first" : "compare.second")}>
      <select
        className={uiStyles.input}
        aria-label={t(index === 0 ? "compare.first" : "compare.second")}
        value={job.id}
        onChange={(event) => onChoose(event.target.value)}
      >
        {jobs.map((each) => (
          <option key={each.id} value={each.id}>
            {each.name || each.id} · {t(`form.${each.quality as "medium"}`)} · {format.moment(each.created_at)}
          </option>
        ))}
      </select>
      {found.error && <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />}
      {found.data ? (
        <Suspense fallback={<Loading />}>
          <Viewer source={source} name={job.name || job.id} setId={job.image_set_id} results={found.data} onView={onView} />
        </Suspense>
      ) : (
        <Loading />
      )}
    </section>
  );
}
