(function () {
  "use strict";
  // Three slices through a map with a crosshair. A page holds a mean image once for all maps on
  // it; both are unpacked when a map comes into view. Nothing is loaded from elsewhere.
  if (!window.DecompressionStream || !window.IntersectionObserver) { return; }
  var HOT = [[128, 5, 13], [217, 20, 13], [250, 122, 13], [255, 237, 89]];
  var COLD = [[8, 26, 115], [13, 77, 204], [26, 158, 242], [158, 247, 250]];
  var PLANES = [
    { axis: 0, across: 1, up: 2, name: "Sagittal", ends: ["P", "A"] },
    { axis: 1, across: 0, up: 2, name: "Coronal", ends: ["L", "R"] },
    { axis: 2, across: 0, up: 1, name: "Axial", ends: ["L", "R"] }
  ];
  var bases = {};

  function unpack(text) {
    var bytes = Uint8Array.from(atob(text), function (c) { return c.charCodeAt(0); });
    var stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer().then(function (b) { return new Uint8Array(b); });
  }

  function ramp(stops, share) {
    var place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
    var k = Math.min(Math.floor(place), stops.length - 2);
    return stops[k].map(function (c, i) { return c + (stops[k + 1][i] - c) * (place - k); });
  }

  function number(value, digits) {
    return (Math.abs(value) < 0.5 * Math.pow(10, -digits) ? 0 : value)
      .toFixed(digits).replace("-", "−");
  }

  function make(tag, properties, parent) {
    var element = document.createElement(tag);
    Object.keys(properties).forEach(function (key) {
      if (key in element) { element[key] = properties[key]; }
      else { element.setAttribute(key, properties[key]); }
    });
    parent.appendChild(element);
    return element;
  }

  function Viewer(root, head, base, differences) {
    this.head = head;
    this.base = base;
    this.values = new Float32Array(base.length);
    for (var i = 0, k = 0, code = 0; i < base.length; i++) {
      if (base[i]) {
        code = (code + differences[k++]) & 255;
        this.values[i] = code < 128 ? head.Levels[code] : -head.Levels[256 - code];
      }
    }
    this.at = head.Start.slice();
    this.size = [0, 1, 2].map(function (k) {
      return Math.hypot(head.Affine[0][k], head.Affine[1][k], head.Affine[2][k]);
    });
    this.build(root);
    this.draw();
  }

  Viewer.prototype.build = function (root) {
    var self = this, head = this.head, shape = head.Shape, size = this.size;
    var widths = PLANES.map(function (p) { return shape[p.across] * size[p.across]; });
    var total = widths.reduce(function (a, b) { return a + b; });
    var tallest = Math.max(shape[1] * size[1], shape[2] * size[2]);
    var zoom = 640 / Math.max(tallest, widths[1]);
    var row = make("div", { className: "slices" }, root);
    this.canvases = PLANES.map(function (p, k) {
      var canvas = make("canvas", {
        width: Math.round(widths[k] * zoom), height: Math.round(shape[p.up] * size[p.up] * zoom),
        tabIndex: 0, role: "application",
        "aria-roledescription": "slice", "aria-label": p.name +
          " slice. Arrow keys move the crosshair, Page Up and Page Down change the slice."
      }, row);
      canvas.style.width = 100 * widths[k] / total + "%";
      canvas.addEventListener("keydown", function (event) { self.key(event, p); });
      var move = function (event) {
        var box = canvas.getBoundingClientRect();
        var x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
        self.at[p.across] = Math.floor(x * shape[p.across]);
        self.at[p.up] = Math.floor((1 - y) * shape[p.up]);
        self.draw();
      };
      canvas.addEventListener("pointerdown", function (event) {
        canvas.setPointerCapture(event.pointerId);
        move(event);
      });
      canvas.addEventListener("pointermove", function (event) { if (event.buttons) { move(event); } });
      return canvas;
    });
    this.words = make("output", { className: "place", "aria-live": "polite" }, root);
    var controls = make("div", { className: "controls" }, root);
    var largest = head.Levels[head.Levels.length - 1];
    var first = head.Threshold === null ? largest : Math.min(head.Threshold, largest);
    this.threshold = this.slider(controls, "Threshold", 0, largest, first);
    this.maximum = this.slider(controls, "Brightest color", 0.1, largest, Math.min(head.Maximum, largest));
    var label = make("label", { textContent: "Sign " }, controls);
    this.sign = make("select", {}, label);
    ["both", "positive", "negative"].forEach(function (name) {
      make("option", { value: name, textContent: name }, self.sign);
    });
    this.sign.value = head.TwoSided ? "both" : "positive";
    this.sign.addEventListener("input", function () { self.draw(); });
    var button = make("button", { type: "button", textContent: "Go to the largest value" }, controls);
    button.addEventListener("click", function () { self.at = self.head.Start.slice(); self.draw(); });
  };

  Viewer.prototype.slider = function (parent, name, least, most, value) {
    var self = this;
    var label = make("label", { textContent: name + " " }, parent);
    var input = make("input", {
      type: "range", min: least, max: Math.max(most, least), step: "any", value: value
    }, label);
    input.value = value;
    var shown = make("span", { className: "value" }, label);
    var say = function () { shown.textContent = number(Number(input.value), 2); };
    input.addEventListener("input", function () { say(); self.draw(); });
    say();
    return input;
  };

  Viewer.prototype.key = function (event, plane) {
    var steps = {
      ArrowLeft: [plane.across, -1], ArrowRight: [plane.across, 1], ArrowUp: [plane.up, 1],
      ArrowDown: [plane.up, -1], PageUp: [plane.axis, 1], PageDown: [plane.axis, -1]
    };
    var step = steps[event.key];
    if (!step) { return; }
    event.preventDefault();
    this.at[step[0]] += step[1];
    this.draw();
  };

  Viewer.prototype.goTo = function (place) {
    var a = this.head.Affine, at = solve(a, place.map(function (c, i) { return c - a[i][3]; }));
    this.at = at.map(Math.round);
    this.draw();
  };

  // Cramer's rule; columns of the affine are never parallel
  function solve(a, b) {
    function det(m) {
      return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
        m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
        m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    }
    return [0, 1, 2].map(function (k) {
      return det(a.map(function (row, i) {
        return [0, 1, 2].map(function (j) { return j === k ? b[i] : row[j]; });
      })) / det(a);
    });
  }

  Viewer.prototype.draw = function () {
    var self = this, shape = this.head.Shape;
    this.at = this.at.map(function (v, k) { return Math.max(0, Math.min(shape[k] - 1, v)); });
    var at = this.at, a = this.head.Affine;
    PLANES.forEach(function (p, k) { self.drawPlane(p, self.canvases[k]); });
    var mm = a.map(function (r) { return r[0] * at[0] + r[1] * at[1] + r[2] * at[2] + r[3]; });
    var index = (at[0] * shape[1] + at[1]) * shape[2] + at[2];
    var value = this.base[index]
      ? this.head.Statistic + " = " + number(this.values[index], 2) : "outside of the mask";
    this.words.textContent = "x = " + number(mm[0], 0) + ", y = " + number(mm[1], 0) +
      ", z = " + number(mm[2], 0) + " mm: " + value;
  };

  Viewer.prototype.drawPlane = function (p, canvas) {
    var shape = this.head.Shape, width = shape[p.across], height = shape[p.up];
    var strides = [shape[1] * shape[2], shape[2], 1];
    var least = Number(this.threshold.value), most = Math.max(Number(this.maximum.value), least + 1e-6);
    var sign = this.sign.value, image = new ImageData(width, height), pixels = image.data;
    for (var v = 0; v < height; v++) {
      for (var u = 0; u < width; u++) {
        var i = this.at[p.axis] * strides[p.axis] + u * strides[p.across] + v * strides[p.up];
        var o = 4 * ((height - 1 - v) * width + u);
        if (!this.base[i]) { continue; }
        var value = this.values[i], gray = (this.base[i] - 1) / 23 * 255, color = [gray, gray, gray];
        if (value !== 0 && Math.abs(value) >= least - 1e-9 &&
            (sign === "both" || (value > 0) === (sign === "positive"))) {
          color = ramp(value > 0 ? HOT : COLD, (Math.abs(value) - least) / (most - least));
        }
        pixels[o] = color[0]; pixels[o + 1] = color[1]; pixels[o + 2] = color[2]; pixels[o + 3] = 255;
      }
    }
    var small = document.createElement("canvas");
    small.width = width; small.height = height;
    small.getContext("2d").putImageData(image, 0, 0);
    var pen = canvas.getContext("2d"), w = canvas.width, h = canvas.height;
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, w, h);
    pen.drawImage(small, 0, 0, w, h);
    var x = (this.at[p.across] + 0.5) * w / width, y = h - (this.at[p.up] + 0.5) * h / height;
    var room = 10;  // left free around the place itself
    pen.strokeStyle = "#2fd36b";
    pen.lineWidth = 2;
    pen.beginPath();
    [[x, 0, x, y - room], [x, y + room, x, h], [0, y, x - room, y], [x + room, y, w, y]].forEach(
      function (l) { pen.moveTo(l[0], l[1]); pen.lineTo(l[2], l[3]); });
    pen.stroke();
    pen.fillStyle = getComputedStyle(canvas).color;
    pen.font = "bold 22px sans-serif";
    pen.textBaseline = "top";
    pen.textAlign = "left"; pen.fillText(p.ends[0], 2, 2);
    pen.textAlign = "right"; pen.fillText(p.ends[1], w - 2, 2);
  };

  // rows of a table of peaks move the crosshair to their coordinates
  function connect(viewer, article) {
    article.querySelectorAll("table").forEach(function (table) {
      var heads = Array.prototype.map.call(table.tHead.rows[0].cells, function (c) { return c.textContent; });
      var columns = ["x (mm)", "y (mm)", "z (mm)"].map(function (name) { return heads.indexOf(name); });
      if (columns.indexOf(-1) >= 0) { return; }
      Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
        var place = columns.map(function (k) {
          return row.cells[k] ? parseFloat(row.cells[k].textContent.replace("−", "-")) : NaN;
        });
        if (place.some(isNaN)) { return; }
        var cell = row.cells[0], button = make("button", {
          type: "button", className: "jump", textContent: cell.textContent,
          title: "Show this peak in the slices"
        }, row);
        cell.textContent = "";
        cell.appendChild(button);
        row.classList.add("jumps");
        row.addEventListener("click", function () {
          viewer.goTo(place);
          table.querySelectorAll("tr.shown").forEach(function (r) { r.classList.remove("shown"); });
          row.classList.add("shown");
        });
      });
    });
  }

  function start(root) {
    var head = JSON.parse(root.dataset.head);
    var key = root.dataset.base;
    bases[key] = bases[key] || unpack(document.getElementById("base-" + key).dataset.image);
    Promise.all([bases[key], unpack(root.dataset.values)]).then(function (both) {
      root.classList.add("ready");
      connect(new Viewer(root, head, both[0], both[1]), root.closest("article"));
    });
  }

  var watch = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (entry.isIntersecting) { watch.unobserve(entry.target); start(entry.target); }
    });
  }, { rootMargin: "400px" });
  document.querySelectorAll(".viewer").forEach(function (root) { watch.observe(root); });
})();
