import { useMutation, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Dialog, DialogTrigger, Modal, ModalOverlay } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Schemas } from "../../api/client";
import { keys } from "../../api/queries";
import { removeMasks } from "../../masks/remove";
import { Button, Loading, ProblemNotice, uiStyles } from "../../ui";

const MaskDialog = lazy(() => import("../../masks/MaskDialog"));

type Photo = Schemas["Photo"];

/** What of the photographs is used: all, or what masks leave. */
export function Masks({ setId, photos, masks }: { setId: string; photos: readonly Photo[]; masks: ReadonlyMap<string, Photo> }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => removeMasks(setId, masks),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.set(setId) }),
  });
  const usable = photos.filter(({ state }) => state !== "rejected");
  return (
    <div className="row">
      <DialogTrigger>
        <Button>{t(masks.size > 0 ? "masks.again" : "masks.title")}</Button>
        <ModalOverlay className={uiStyles.overlay ?? ""} isDismissable>
          <Modal className={`${uiStyles.wide} ${uiStyles.scrolling}`}>
            <Dialog className={uiStyles.dialog ?? ""}>
              {({ close }) => (
                <Suspense fallback={<Loading />}>
                  <MaskDialog setId={setId} photos={usable} masks={masks} close={close} />
                </Suspense>
              )}
            </Dialog>
          </Modal>
        </ModalOverlay>
      </DialogTrigger>
      {masks.size > 0 && (
        <>
          <Button isDisabled={remove.isPending} onPress={() => remove.mutate()}>
            {t("masks.remove")}
          </Button>
          <span className="quiet small">{t("masks.count", { count: masks.size })}</span>
        </>
      )}
      {remove.error && <ProblemNotice error={remove.error} />}
    </div>
  );
}
