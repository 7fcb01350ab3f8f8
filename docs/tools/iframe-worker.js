// Search in pages that are opened from the disk, where browsers start no worker: its script runs in
// a hidden frame instead, to which messages go and from which they come.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.ready = new Promise((done) => {
        const script = frame.contentDocument.createElement("script")
        script.src = String(url)
        script.onload = done
        this.inside.postMessage = (data) => {
          const message = new MessageEvent("message", { data })
          this.dispatchEvent(message)
          this.onmessage?.(message)
        }
        frame.contentDocument.body.append(script)
      })
    }
    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {}
  }
  window.Worker = window.IFrameWorker
}
