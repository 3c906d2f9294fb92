// Takes a picture with the camera; nothing is recorded.

const of = (id) => document.getElementById(id);

export function camera(take, fail) {
  let stream = null;

  function close() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    of("camera").hidden = true;
    of("drop").hidden = false;
    of("open-camera").focus();
  }

  of("open-camera").onclick = async () => {
    if (!navigator.mediaDevices) {
      fail("Browsers give the camera only to pages that come by https, or from localhost.");
      return;
    }
    of("open-camera").disabled = true; // a second click would open one more, which nothing closes
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
    } catch (error) {
      fail(`The camera can't be used: ${error.message}. Allow it in the browser's settings, or choose a picture.`);
      return;
    } finally {
      of("open-camera").disabled = false;
      of("open-camera").focus();
    }
    of("video").srcObject = stream;
    of("camera").hidden = false;
    of("drop").hidden = true;
    of("shoot").focus();
  };

  of("shoot").onclick = () => {
    const video = of("video");
    const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
    if (!canvas.width) return; // it has not begun yet
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => take([new File([blob], "camera.jpg", { type: "image/jpeg" })]), "image/jpeg", 0.95);
    close();
  };

  of("close-camera").onclick = close;
}
