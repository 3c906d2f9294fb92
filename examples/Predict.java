// Asks a model server about a photo, this project's or TensorFlow Serving:
//
//     java Predict.java PHOTO [URL of the model, by default http://127.0.0.1:8501/v1/models/faces]
//
// Java 11 or newer, nothing else. Prints the answer, JSON with an entry for each output of the model. A bearer token
// is taken from the environment variable SERVING_TOKEN. Exit code 2: the photo or the URL is at fault; 1: the server.

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;

public class Predict {
    private static final String MODEL = "http://127.0.0.1:8501/v1/models/faces";

    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length < 1 || arguments.length > 2) {
            fail(2, "usage: java Predict.java PHOTO [URL of the model, by default " + MODEL + "]");
        }
        String photo = arguments[0];
        String model = arguments.length == 2 ? arguments[1] : MODEL;
        HttpRequest request = request(model, encoded(photo));
        try {
            HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) {
                int code = response.statusCode() < 500 ? 2 : 1;
                fail(code, photo + ": " + model + " answers " + response.statusCode() + ": " + response.body().strip());
            }
            System.out.println(response.body().strip());
        } catch (IOException error) {
            fail(1, photo + ": no model server answers at " + model + ": " + error);
        }
    }

    private static String encoded(String photo) {
        try {
            return Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(photo)));
        } catch (IOException | InvalidPathException error) {
            fail(2, photo + ": can't be read: " + error);
            return null;
        }
    }

    private static HttpRequest request(String model, String encoded) {
        HttpRequest.BodyPublisher body =
            HttpRequest.BodyPublishers.ofString("{\"instances\": [{\"b64\": \"" + encoded + "\"}]}");
        try {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(model + ":predict"))
                .version(HttpClient.Version.HTTP_1_1)
                .timeout(Duration.ofSeconds(60))
                .header("Content-Type", "application/json")
                .POST(body);
            String token = System.getenv("SERVING_TOKEN");
            return (token == null ? request : request.header("Authorization", "Bearer " + token)).build();
        } catch (IllegalArgumentException error) {
            fail(2, "the URL must be one such as " + MODEL + "; received " + model + ": " + error.getMessage());
            return null;
        }
    }

    private static void fail(int code, String message) {
        System.err.println(message);
        System.exit(code);
    }
}
