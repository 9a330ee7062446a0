import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { ToggleButton } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { photos } from "../../api/queries";
import { Empty, Loading, Notice, ProblemNotice, uiStyles } from "../../ui";
import { partedPhotos } from "../../masks/names";
import { Masks } from "./Masks";
import { PhotoGrid } from "./PhotoGrid";

const BY_NAME = new Intl.Collator(undefined, { numeric: true });

/** The photographs of a set, with what is wrong with which. */
export function PhotoList({ setId }: { setId: string }) {
  const { t } = useTranslation();
  const found = useAllPhotos(setId);
  const [only, setOnly] = useState(false);
  const { photos: items, masks } = useMemo(() => partedPhotos(sorted(found.data?.pages ?? [])), [found.data]);
  const remarked = useMemo(() => items.filter((photo) => photo.findings.length > 0), [items]);
  if (found.isPending) return <Loading />;
  if (found.error) return <ProblemNotice error={found.error} onRetry={() => void found.refetch()} />;
  if (items.length === 0) return <Empty>{t("set.empty")}</Empty>;
  const some = only && remarked.length > 0;
  return (
    <section className="card stack" aria-labelledby="photos">
      <div className="row spread">
        <h2 id="photos">{t("set.photos")}</h2>
        {remarked.length > 0 && (
          <div className={uiStyles.toggles}>
            <ToggleButton className={uiStyles.toggle ?? ""} isSelected={only} onChange={setOnly}>
              {t("set.only")}
            </ToggleButton>
          </div>
        )}
      </div>
      {remarked.length > 0 ? (
        <Notice tone="doubt" title={t("set.withRemarks", { count: remarked.length })} />
      ) : (
        !found.hasNextPage && <Notice tone="good" title={t("set.allGood")} />
      )}
      {!found.hasNextPage && <Masks setId={setId} photos={items} masks={masks} />}
      <PhotoGrid setId={setId} photos={some ? remarked : items} masks={masks} labelledBy="photos" />
    </section>
  );
}

/** All pages, one after another: they are shown by name, which the service does not sort by. */
function useAllPhotos(setId: string) {
  const found = useInfiniteQuery(photos(setId));
  const { hasNextPage, isFetching, isError, fetchNextPage } = found;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return found;
}

function sorted(pages: { items: readonly Schemas["Photo"][] }[]): Schemas["Photo"][] {
  return pages.flatMap((page) => page.items).sort((a, b) => BY_NAME.compare(a.name, b.name));
}
